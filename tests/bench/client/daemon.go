// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
)

// Many lives, `jobs` at a time: how many in a second.
func lives(p *peer) error {
	ids := make(chan string, *count)
	errs := make(chan error, *count)
	for i := 0; i < *count; i++ {
		ids <- newID()
	}
	close(ids)
	begin := time.Now()
	var group sync.WaitGroup
	for j := 0; j < *jobs; j++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for id := range ids {
				if err := p.live(id); err != nil {
					errs <- err
				}
			}
		}()
	}
	group.Wait()
	took := time.Since(begin)
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	p.value("rate", "/s", float64(*count)/took.Seconds())
	return nil
}

func (p *peer) live(id string) error {
	x, err := p.up(id, "", false, "/bin/true")
	if err != nil {
		return err
	}
	<-x.exit
	if _, err = x.task.Delete(ctx); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return x.container.Delete(ctx)
}

// The pid of each process's parent.
func parents() map[int]int {
	all := map[int]int{}
	for pid := range processes() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 {
			all[pid], _ = strconv.Atoi(f[1])
		}
	}
	return all
}

// The daemon's process and all below it.
func (p *peer) daemonPids() (map[int]bool, error) {
	text, err := os.ReadFile(p.daemon)
	if err != nil {
		return nil, err
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	found, above := map[int]bool{first: true}, parents()
	for more := true; more; {
		more = false
		for pid, parent := range above {
			if found[parent] && !found[pid] {
				found[pid], more = true, true
			}
		}
	}
	return found, nil
}

type usage struct{ pss, rss, dirty, processes, threads float64 }

// Of the daemon, and of all that is there because of the containers but is in none of them.
func (p *peer) usage(before map[int]bool, xs []*instance) (u usage, err error) {
	pids, err := p.daemonPids()
	if err != nil {
		return
	}
	for _, pid := range holders(before, xs) {
		pids[pid] = true
	}
	for _, x := range xs {
		delete(pids, int(x.task.Pid()))
	}
	for pid := range pids {
		kib := rollup(pid)
		u.pss += kib["Pss"]
		u.rss += kib["Rss"]
		u.dirty += kib["Private_Dirty"]
		u.processes++
		u.threads += float64(threads(pid))
	}
	return
}

// daemonMemory: the daemon with all that it needs, with `count` containers, and what each of them adds.
func daemonMemory(p *peer) error {
	before := processes()
	time.Sleep(2 * time.Second) // collectors and idle threads have done what they do
	none, err := p.usage(before, nil)
	if err != nil {
		return err
	}
	with := none
	if *count > 0 {
		xs, err := p.upMany()
		defer downMany(xs)
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		if with, err = p.usage(before, xs); err != nil {
			return err
		}
	}
	p.value("PSS", "KiB", with.pss)
	p.value("RSS", "KiB", with.rss)
	p.value("private dirty", "KiB", with.dirty)
	p.value("processes", "", with.processes)
	p.value("threads", "", with.threads)
	if *count > 0 {
		p.value("PSS per task", "KiB", (with.pss-none.pss)/float64(*count))
	}
	return nil
}

func (p *peer) order(words ...string) error {
	c := exec.Command(*restart, append(words[:1:1], append([]string{p.label}, words[1:]...)...)...)
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

// How many tasks a daemon that has just begun says are running; -1 while it does not answer.
func (p *peer) running() int {
	conn, err := net.Dial("unix", p.address)
	if err != nil {
		return -1
	}
	conn.Close()
	c, err := dial(p.address)
	if err != nil {
		return -1
	}
	p.client.Close()
	p.client = c
	list, err := c.TaskService().List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return -1
	}
	n := 0
	for _, t := range list.Tasks {
		if t.Status == task.StatusRunning {
			n++
		}
	}
	return n
}

// restarted: from the start of the daemon's program until it has served the list with all tasks running.
func restarted(p *peer) error {
	xs, err := p.upMany()
	if err == nil {
		err = p.order("stop", *signal)
	}
	if err != nil {
		downMany(xs)
		return err
	}
	begin := time.Now()
	if err = p.order("start"); err != nil {
		return err
	}
	for p.running() < len(xs) {
		if time.Since(begin) > time.Minute {
			return fmt.Errorf("not all of %d tasks are running a minute after the start", len(xs))
		}
		time.Sleep(time.Millisecond)
	}
	p.ms("until listed", time.Since(begin))
	return p.endAll(xs)
}

// endAll: what was begun under a daemon that is no more, through the one that has taken it over.
func (p *peer) endAll(xs []*instance) error {
	again := make([]*instance, 0, len(xs))
	for _, x := range xs {
		var err error
		if x.container, err = p.client.LoadContainer(ctx, x.id); err != nil {
			return err
		}
		if x.task, err = x.container.Task(ctx, nil); err != nil {
			return err
		}
		if x.exit, err = x.task.Wait(ctx); err != nil {
			return err
		}
		again = append(again, x)
	}
	downMany(again)
	return nil
}
