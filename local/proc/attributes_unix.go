//go:build unix && !linux

package proc

import "syscall"

// attributes give a process a group of its own, so that an interrupt at the terminal is ours to handle.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
