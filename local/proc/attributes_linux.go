package proc

import "syscall"

// attributes give a process a group of its own, so that an interrupt at the terminal is ours to handle, and the kernel's
// promise to kill it when the thread that started it ends. Go keeps its threads until the end, but for those that a
// goroutine ends while it is locked to them.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
