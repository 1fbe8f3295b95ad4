// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/containerd/containerd/cio"
	"golang.org/x/sys/unix"
)

// The reader's end of a container's stdout: it reads into one buffer and forgets.
type discard struct {
	fd, errFd int
	config    cio.Config
	done      chan time.Time // when the last of the bytes that were asked for had come
	failure   error
}

func (d *discard) Config() cio.Config { return d.config }
func (d *discard) Cancel()            {}
func (d *discard) Wait()              {}
func (d *discard) Close() error {
	unix.Close(d.fd)
	unix.Close(d.errFd)
	os.Remove(d.config.Stdout)
	return os.Remove(d.config.Stderr)
}

func openFifo(path string) (int, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return -1, err
	}
	return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

func newDiscard(id string, want int64) (*discard, error) {
	d := &discard{done: make(chan time.Time, 1)}
	d.config = cio.Config{Stdout: *bundle + "/" + id + ".out", Stderr: *bundle + "/" + id + ".err"}
	var err error
	if d.fd, err = openFifo(d.config.Stdout); err != nil {
		return nil, err
	}
	if d.errFd, err = openFifo(d.config.Stderr); err != nil {
		return nil, err
	}
	go d.read(want)
	return d, nil
}

// On a thread of its own with plain system calls: Go's poller would be part of what is measured.
func (d *discard) read(want int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buffer := make([]byte, 1<<20)
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}
	for want > 0 {
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		}
		n, err := unix.Read(d.fd, buffer)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if n <= 0 {
			d.failure = fmt.Errorf("output ended %d bytes early: %v", want, err)
			break
		}
		want -= int64(n)
	}
	d.done <- time.Now()
}

// output: *mib MiB of a container's stdout to the reader above, and the CPU time of the shim meanwhile. The start of the
// program is in both, a few milliseconds.
func output(p *peer) error {
	before := processes()
	id := newID()
	want := int64(*mib) << 20
	d, err := newDiscard(id, want)
	if err != nil {
		return err
	}
	defer d.Close()
	c, err := p.container(id, "", []string{"/bin/dd", "if=/dev/zero", fmt.Sprint("bs=", *block), fmt.Sprint("count=", want/int64(*block))})
	if err != nil {
		return err
	}
	x := &instance{id: id, container: c}
	creator := func(string) (cio.IO, error) { return d, nil }
	if x.task, err = c.NewTask(ctx, creator); err != nil {
		c.Delete(ctx)
		return err
	}
	defer x.down()
	if x.exit, err = x.task.Wait(ctx); err != nil {
		return err
	}
	pids := holders(before, []*instance{x})
	cpu := sumOf(pids, cpuOf)
	begin := time.Now()
	if err := x.task.Start(ctx); err != nil {
		return err
	}
	end := <-d.done
	if d.failure != nil {
		return d.failure
	}
	cpu = sumOf(pids, cpuOf) - cpu
	p.value("rate", "MiB/s", float64(*mib)/end.Sub(begin).Seconds())
	p.ms("shim CPU", cpu)
	return nil
}
