// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/containerd/cio"
	"github.com/containerd/containerd/events"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A container that stands for a whole measurement, and the processes of its shim.
type target struct {
	*instance
	holders []int
	process *specs.Process
}

var targets = map[*peer]*target{}

func (p *peer) makeTarget(args ...string) error {
	before := processes()
	x, err := p.up(newID(), "", false, args...)
	if err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // the program that started the shim has left
	s, err := specOf(x.id, "", []string{"/bin/true"})
	if err != nil {
		return err
	}
	targets[p] = &target{x, holders(before, []*instance{x}), s.Process}
	return nil
}

// withTargets runs f with a container of every peer.
func withTargets(f func()) {
	for _, p := range peers {
		if err := p.makeTarget("/bin/sleep", "100000"); err != nil {
			p.failed(err)
		}
	}
	f()
	for _, x := range targets {
		x.down()
	}
}

// CPU time of a process: all of its threads, those that have ended too, to the nanosecond and without its children.
func cpuOf(pid int) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|2), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// CPU time of the children that a process has waited for, in ticks of 10 ms.
func childrenOf(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(f[13])
	system, _ := strconv.Atoi(f[14])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func sumOf(pids []int, f func(int) time.Duration) (sum time.Duration) {
	for _, pid := range pids {
		sum += f(pid)
	}
	return
}

// one exec of `true`, from Exec to the answer of Delete.
func (x *target) exec() error {
	proc, err := x.task.Exec(ctx, newID(), x.process, cio.NullIO)
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	exit, err := proc.Wait(ctx)
	if err != nil {
		return fmt.Errorf("exec wait: %w", err)
	}
	if err := proc.Start(ctx); err != nil {
		return fmt.Errorf("exec start: %w", err)
	}
	if status := <-exit; status.ExitCode() != 0 {
		return fmt.Errorf("exec: status %d: %v", status.ExitCode(), status.Error())
	}
	if _, err := proc.Delete(ctx); err != nil {
		return fmt.Errorf("exec delete: %w", err)
	}
	return nil
}

// execMany does *count execs, *jobs at a time.
func (x *target) execMany() error {
	errs := make(chan error, *jobs)
	var next int64
	for j := 0; j < *jobs; j++ {
		go func() {
			for atomic.AddInt64(&next, 1) <= int64(*count) {
				if err := x.exec(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for j := 0; j < *jobs; j++ {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return err
}

// storm: execs per second, and what the processes of the shim took for each. "With children" adds the processes that
// they waited for: the runtime or executor, and `true` itself.
func storm(p *peer) error {
	x := targets[p]
	if x == nil {
		return nil
	}
	own, children := sumOf(x.holders, cpuOf), sumOf(x.holders, childrenOf)
	begin := time.Now()
	if err := x.execMany(); err != nil {
		return err
	}
	took := time.Since(begin)
	own, children = sumOf(x.holders, cpuOf)-own, sumOf(x.holders, childrenOf)-children
	p.value("rate", "/s", float64(*count)/took.Seconds())
	p.ms("shim CPU per exec", own/time.Duration(*count))
	p.ms("shim CPU per exec, with children", (own+children)/time.Duration(*count))
	return nil
}

// listenedTo waits until the subscription holds and what came before the storm has come: containerd answers Subscribe
// before it has begun.
func (x *target) listenedTo(messages <-chan *events.Envelope) error {
	for seen := false; ; {
		if !seen {
			if err := x.exec(); err != nil {
				return err
			}
		}
		select {
		case <-messages:
			seen = true
		case <-time.After(200 * time.Millisecond):
			if seen {
				return nil
			}
		}
	}
}

// eventRate: events per second that a subscriber has of a storm, from its first to its last: three of each exec.
func eventRate(p *peer) error {
	x := targets[p]
	if x == nil {
		return nil
	}
	listening, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, _ := client.Subscribe(listening, `topic~="/tasks/exec-"`, `topic=="/tasks/exit"`)
	if err := x.listenedTo(messages); err != nil {
		return err
	}
	want, got := 3**count, 0
	var group sync.WaitGroup
	var failure error
	group.Add(1)
	go func() { defer group.Done(); failure = x.execMany() }()
	begin := time.Now()
	late := time.NewTimer(sampleLimit / 2)
	defer late.Stop()
	for got < want {
		select {
		case <-messages:
			if got == 0 {
				begin = time.Now()
			}
			got++
		case <-late.C:
			return errors.New(strconv.Itoa(got) + " of " + strconv.Itoa(want) + " events came")
		}
	}
	took := time.Since(begin)
	group.Wait()
	p.value("rate", "/s", float64(got)/took.Seconds())
	return failure
}
