package proc

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes give a process a group of its own, so that an interrupt at the terminal is ours to handle, and the kernel's
// promise to kill it when the thread that started it ends. Go keeps its threads until the end, but for those that a
// goroutine ends while it is locked to them.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// stopped reports whether a child has come to a stop: its threads run on for a moment after the signal.
func stopped(pid int) (bool, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	return info.Signo != 0, err
}
