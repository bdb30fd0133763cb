package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// userTick is the unit of times in /proc: USER_HZ is 100 on every architecture that Go runs on.
const userTick = 10 * time.Millisecond

// CPU is the processor time that a process has used since it was started, all its threads together, those that have
// ended included, in user mode and in the kernel. It needs Linux's /proc.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return parseStat(stat)
}

// parseStat takes utime and stime, the 14th and 15th field, out of /proc/<pid>/stat (proc_pid_stat(5)).
func parseStat(stat []byte) (time.Duration, error) {
	// The second field is the program's name in parentheses, which may itself have spaces and parentheses.
	name := bytes.LastIndexByte(stat, ')')
	if name < 0 {
		return 0, fmt.Errorf("read CPU time: no name in %q", stat)
	}
	const third, utime, stime = 3, 14, 15
	fields := bytes.Fields(stat[name+1:])
	if len(fields) <= stime-third {
		return 0, fmt.Errorf("read CPU time: too few fields in %q", stat)
	}
	var ticks uint64
	for _, field := range [...][]byte{fields[utime-third], fields[stime-third]} {
		n, err := strconv.ParseUint(string(field), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * userTick, nil
}

// MachineCPU is the processor time that this machine has spent since it was started, all its processors and all
// processes together, time that a hypervisor gave to other machines included. It needs Linux's /proc.
func MachineCPU() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read CPU time of the machine: %w", err)
	}
	return parseMachineStat(stat)
}

// parseMachineStat takes all that is not idle out of the first line of /proc/stat (proc_stat(5)): user, nice, system, idle,
// iowait, irq, softirq, steal. What follows are parts of these.
func parseMachineStat(stat []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(stat, []byte{'\n'})
	fields := bytes.Fields(line)
	const idle, iowait, steal = 4, 5, 8
	if len(fields) <= steal || string(fields[0]) != "cpu" {
		return 0, fmt.Errorf("read CPU time of the machine: no line of all processors: %q", line)
	}
	var ticks uint64
	for i, field := range fields[:steal+1] {
		if i == 0 || i == idle || i == iowait {
			continue
		}
		n, err := strconv.ParseUint(string(field), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("read CPU time of the machine: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * userTick, nil
}
