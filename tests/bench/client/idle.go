// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Many idle containers at once: to start them all, what is there because of them, to end them all.
func idle(p *peer) error {
	before := processes()
	begin := time.Now()
	xs, err := p.upMany()
	started := time.Since(begin)
	if err != nil {
		downMany(xs)
		return err
	}
	time.Sleep(2 * time.Second) // collectors and idle threads have done what they do
	var pss, dirty, tasks float64
	pids := holders(before, xs)
	for _, pid := range pids {
		kib := rollup(pid)
		pss += kib["Pss"]
		dirty += kib["Private_Dirty"]
		tasks += float64(threads(pid))
	}
	cpu := sumOf(pids, cpuOf)
	begin = time.Now()
	time.Sleep(2 * time.Second)
	cpu = time.Duration(float64(sumOf(pids, cpuOf)-cpu) / time.Since(begin).Seconds())
	begin = time.Now()
	downMany(xs)
	ended := time.Since(begin)
	p.ms("start all", started)
	p.ms("kill and delete all", ended)
	p.value("PSS", "KiB", pss)
	p.value("private dirty", "KiB", dirty)
	p.value("processes", "", float64(len(pids)))
	p.value("threads", "", tasks)
	p.ms("CPU per second", cpu)
	return nil
}

// What the kernel has charged to a cgroup, in KiB: memory.current, or on v1 usage_in_bytes, which has the kernel
// memory, pipes and memfds in it too.
func charged(dir string) (float64, error) {
	text, err := os.ReadFile(dir + "/memory.current")
	if err != nil {
		text, err = os.ReadFile(dir + "/memory.usage_in_bytes")
	}
	if err != nil {
		return 0, err
	}
	bytes, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	return bytes / 1024, err
}

// Two cgroups: the one that the wrapper of the peer's shim enters (*cgroups), and that which the containers are below.
func bothCharged() (shims, containers float64, err error) {
	if shims, err = charged(*cgroups + "/shims"); err != nil {
		return
	}
	containers, err = charged(*cgroups + "/" + namespace)
	return
}

// growth: what the memory of both cgroups grows by with each of many idle containers. One more stands from before the
// first reading, so that what all share (text, caches) is in neither.
func growth(p *peer) error {
	first, err := p.up(newID(), "", false, "/bin/sleep", "100000")
	if err != nil {
		return err
	}
	defer first.down()
	time.Sleep(time.Second)
	shims, containers, err := bothCharged()
	if err != nil {
		return err
	}
	xs, err := p.upMany()
	defer downMany(xs)
	if err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	shimsNow, containersNow, err := bothCharged()
	if err != nil {
		return err
	}
	n := float64(len(xs))
	if shimsNow <= shims {
		return fmt.Errorf("no shim is in cgroup %s/shims", *cgroups)
	}
	p.value("growth of the shims' cgroup per container", "KiB", (shimsNow-shims)/n)
	p.value("growth of the containers' cgroups per container", "KiB", (containersNow-containers)/n)
	return nil
}
