// SPDX-License-Identifier: Apache-2.0

// A client of containerd that measures shims side by side: every round takes each runtime once, in a new random order.
//
//	client -address SOCKET -bundle DIR [-rounds N] [-gap MS] [-count N] [-pod] [-regime NAME] -test TEST
//	       [-mib N] [-block BYTES] [-cgroups DIR] [-restart PROGRAM] [-signal NAME]
//	       -runtime LABEL=NAME[,binary=PATH][,address=SOCKET][,daemon=FILE]...
//
// NAME is what a user would give to `ctr run --runtime`, binary= is the BinaryName option of the runc shim, address= the
// socket of another daemon than -address, daemon= the file with its pid; -pod puts the containers of the memory test in
// one pod. The containers are those of DIR/config.json with arguments of our own.
// Prints one JSON object a line, as bench_oci does: a value, or a failure.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/containerd"
	apievents "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/cio"
	"github.com/containerd/containerd/namespaces"
	"github.com/containerd/containerd/oci"
	"github.com/containerd/containerd/runtime/v2/runc/options"
	"github.com/containerd/typeurl"
	"golang.org/x/sys/unix"
)

const (
	namespace   = "bench"
	warmUp      = 2
	sampleLimit = 90 * time.Second // a shim that hangs ends the whole benchmark
)

var (
	address = flag.String("address", "", "containerd's socket")
	bundle  = flag.String("bundle", "", "directory with the config.json of the containers")
	test    = flag.String("test", "life", "life, lives, exec, exit, memory, idle, growth, storm, events, output, daemon or restart")
	regime  = flag.String("regime", "", "said with every value")
	rounds  = flag.Int("rounds", 10, "samples of each runtime")
	gap     = flag.Int("gap", 0, "idle milliseconds before each sample")
	count   = flag.Int("count", 1, "containers of the memory, idle and growth tests, execs of a storm")
	onePod  = flag.Bool("pod", false, "memory test: all containers in one pod")
	jobs    = flag.Int("jobs", 8, "requests at a time where there are many")
	mib     = flag.Int("mib", 1024, "MiB of the output test")
	block   = flag.Int("block", 65536, "bytes of one write in the output test")
	restart = flag.String("restart", "", "restart test: PROGRAM stop LABEL SIGNAL ends a daemon, PROGRAM start LABEL begins one")
	signal  = flag.String("signal", "TERM", "restart test: how the daemon is ended")
	cgroups = flag.String("cgroups", "", "growth test: where cgroups with memory are; the shims are in DIR/shims")

	peers  []*peer
	client *containerd.Client
	ctx    context.Context
	mu     sync.Mutex // of the two below
	serial int
	out    = json.NewEncoder(os.Stdout)
)

// A runtime under test.
type peer struct {
	label, name, binary string
	address, daemon     string
	client              *containerd.Client
	warming             bool
}

type peerFlag struct{}

func (peerFlag) String() string { return "" }

func (peerFlag) Set(s string) error {
	label, rest, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("want LABEL=NAME[,KEY=VALUE]...")
	}
	words := strings.Split(rest, ",")
	p := &peer{label: label, name: words[0]}
	for _, w := range words[1:] {
		switch key, value, _ := strings.Cut(w, "="); key {
		case "binary":
			p.binary = value
		case "address":
			p.address = value
		case "daemon":
			p.daemon = value
		default:
			return fmt.Errorf("'%s' says nothing of a runtime", w)
		}
	}
	peers = append(peers, p)
	return nil
}

// Output.

type line struct {
	Test   string   `json:"test"`
	Regime string   `json:"regime"`
	Peer   string   `json:"peer"`
	Metric string   `json:"metric,omitempty"`
	Unit   string   `json:"unit"`
	Value  *float64 `json:"value,omitempty"`
	Failed string   `json:"failed,omitempty"`
}

func (p *peer) value(metric, unit string, v float64) {
	if p.warming {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	out.Encode(line{*test, *regime, p.label, metric, unit, &v, ""})
}

func (p *peer) ms(metric string, d time.Duration) {
	p.value(metric, "ms", float64(d.Microseconds())/1e3)
}

func (p *peer) failed(err error) {
	mu.Lock()
	defer mu.Unlock()
	out.Encode(line{Test: *test, Regime: *regime, Peer: p.label, Failed: err.Error()})
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench client:", err)
		os.Exit(1)
	}
}

// Containers.

type instance struct {
	id        string
	container containerd.Container
	task      containerd.Task
	begun     time.Time // when its task was asked for
	exit      <-chan containerd.ExitStatus
}

func newID() string {
	mu.Lock()
	defer mu.Unlock()
	serial++
	return fmt.Sprintf("bench-%d-%d", os.Getpid(), serial)
}

// The bundle's spec for one container; in a pod, that of the first container's id.
func specOf(id, pod string, args []string) (*oci.Spec, error) {
	var s oci.Spec
	text, err := os.ReadFile(filepath.Join(*bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	s.Process.Args = args
	s.Linux.CgroupsPath = "/" + namespace + "/" + id
	if pod != "" {
		kind := "container"
		if pod == id {
			kind = "sandbox"
		}
		s.Annotations = map[string]string{
			"io.kubernetes.cri.sandbox-id":     pod,
			"io.kubernetes.cri.container-type": kind,
		}
	}
	return &s, nil
}

func (p *peer) container(id, pod string, args []string) (containerd.Container, error) {
	var opts interface{}
	if p.binary != "" {
		opts = &options.Options{BinaryName: p.binary}
	}
	s, err := specOf(id, pod, args)
	if err != nil {
		return nil, err
	}
	return p.client.NewContainer(ctx, id, containerd.WithRuntime(p.name, opts), containerd.WithSpec(s))
}

// up creates and starts; on failure nothing is left.
func (p *peer) up(id, pod string, measured bool, args ...string) (*instance, error) {
	x := &instance{id: id}
	var err error
	if x.container, err = p.container(id, pod, args); err != nil {
		return nil, err
	}
	x.begun = time.Now()
	if x.task, err = x.container.NewTask(ctx, cio.NullIO); err != nil {
		x.container.Delete(ctx)
		return nil, fmt.Errorf("create: %w", err)
	}
	created := time.Since(x.begun)
	if x.exit, err = x.task.Wait(ctx); err != nil {
		x.down()
		return nil, fmt.Errorf("wait: %w", err)
	}
	begin := time.Now()
	if err = x.task.Start(ctx); err != nil {
		x.down()
		return nil, fmt.Errorf("start: %w", err)
	}
	started := time.Since(begin)
	if measured {
		p.ms("create", created)
		p.ms("start", started)
		p.ms("create+start", created+started)
	}
	return x, nil
}

func (x *instance) down() {
	x.task.Kill(ctx, syscall.SIGKILL)
	if x.exit != nil {
		<-x.exit
	}
	x.task.Delete(ctx)
	x.container.Delete(ctx)
}

// Tests: one sample each.

func life(p *peer) error {
	x, err := p.up(newID(), "", true, "/bin/true")
	if err != nil {
		return err
	}
	defer x.container.Delete(ctx)
	<-x.exit
	begin := time.Now()
	if _, err = x.task.Delete(ctx); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	p.ms("delete", time.Since(begin))
	p.ms("whole", time.Since(x.begun))
	return nil
}

// execs goes through the steps of `ctr task exec` for /bin/true.
func execs(p *peer) error {
	x := targets[p]
	if x == nil {
		return nil
	}
	begin := time.Now()
	proc, err := x.task.Exec(ctx, newID(), x.process, cio.NullIO)
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	exit, err := proc.Wait(ctx)
	if err != nil {
		return err
	}
	if err := proc.Start(ctx); err != nil {
		return fmt.Errorf("exec start: %w", err)
	}
	started := time.Since(begin)
	<-exit
	if _, err := proc.Delete(ctx); err != nil {
		return fmt.Errorf("exec delete: %w", err)
	}
	p.ms("add+start", started)
	p.ms("whole", time.Since(begin))
	return nil
}

// Exit events by container, with the time at which they came.
type exitEvents struct {
	sync.Mutex
	came map[string]time.Time
	new  *sync.Cond
}

func subscribe() *exitEvents {
	e := &exitEvents{came: map[string]time.Time{}}
	e.new = sync.NewCond(e)
	messages, _ := client.Subscribe(ctx, `topic=="/tasks/exit"`)
	go func() {
		for m := range messages {
			now := time.Now()
			v, err := typeurl.UnmarshalAny(m.Event)
			if err != nil {
				continue
			}
			if exit, ok := v.(*apievents.TaskExit); ok && exit.ContainerID == exit.ID {
				e.Lock()
				e.came[exit.ContainerID] = now
				e.new.Broadcast()
				e.Unlock()
			}
		}
	}()
	return e
}

func (e *exitEvents) of(id string) time.Time {
	e.Lock()
	defer e.Unlock()
	for e.came[id].IsZero() {
		e.new.Wait()
	}
	return e.came[id]
}

// When the process behind the pidfd ends.
func watch(fd int) <-chan time.Time {
	died, ready := make(chan time.Time, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		close(ready)
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, 30000); err != unix.EINTR {
				break
			}
		}
		died <- time.Now()
	}()
	<-ready
	return died
}

func exits(p *peer, events *exitEvents) error {
	x, err := p.up(newID(), "", false, "/bin/sleep", "100000")
	if err != nil {
		return err
	}
	defer x.down()
	fd, _, errno := syscall.Syscall(unix.SYS_PIDFD_OPEN, uintptr(x.task.Pid()), 0, 0)
	if errno != 0 {
		return errno
	}
	defer syscall.Close(int(fd))
	died := watch(int(fd))
	answered := make(chan time.Time, 1)
	exit := x.exit
	closed := make(chan containerd.ExitStatus)
	close(closed)
	x.exit = closed // for down(): it was waited for here
	go func() { <-exit; answered <- time.Now() }()
	time.Sleep(20 * time.Millisecond) // what the start left behind has settled
	begin := time.Now()
	if err := syscall.Kill(int(x.task.Pid()), syscall.SIGKILL); err != nil {
		return err
	}
	end := <-died
	event := events.of(x.id)
	p.ms("kill to event", event.Sub(begin))
	p.ms("death to event", event.Sub(end))
	p.ms("death to wait", (<-answered).Sub(end))
	return nil
}

// Memory.

func processes() map[int]bool {
	all := map[int]bool{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all[pid] = true
		}
	}
	return all
}

// KiB by name of a process's smaps_rollup; empty when it is gone.
func rollup(pid int) map[string]float64 {
	kib := map[string]float64{}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for _, l := range strings.Split(string(text), "\n") {
		if f := strings.Fields(l); len(f) == 3 && f[2] == "kB" {
			kib[strings.TrimSuffix(f[0], ":")], _ = strconv.ParseFloat(f[1], 64)
		}
	}
	return kib
}

func threads(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(entries)
}

// upMany starts `count` idle containers, a pod's first one before the others.
func (p *peer) upMany() ([]*instance, error) {
	ids := make(chan string, *count)
	results := make(chan *instance, *count)
	errs := make(chan error, *count)
	var xs []*instance
	pod, n := "", *count
	if *onePod {
		pod = newID()
		x, err := p.up(pod, pod, false, "/bin/sleep", "100000")
		if err != nil {
			return nil, err
		}
		xs, n = append(xs, x), n-1
	}
	for i := 0; i < n; i++ {
		ids <- newID()
	}
	close(ids)
	var group sync.WaitGroup
	for j := 0; j < *jobs; j++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for id := range ids {
				if x, err := p.up(id, pod, false, "/bin/sleep", "100000"); err != nil {
					errs <- err
				} else {
					results <- x
				}
			}
		}()
	}
	group.Wait()
	close(results)
	close(errs)
	for x := range results {
		xs = append(xs, x)
	}
	return xs, <-errs
}

// downMany ends them, a pod's first one last.
func downMany(xs []*instance) {
	work := make(chan *instance, len(xs))
	for i := len(xs) - 1; i > 0; i-- {
		work <- xs[i]
	}
	close(work)
	var group sync.WaitGroup
	for j := 0; j < *jobs; j++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for x := range work {
				x.down()
			}
		}()
	}
	group.Wait()
	if len(xs) > 0 {
		xs[0].down()
	}
}

// Every process that is there because of the containers, but for those inside them.
func holders(before map[int]bool, xs []*instance) []int {
	inside := map[int]bool{}
	for _, x := range xs {
		inside[int(x.task.Pid())] = true
	}
	var pids []int
	for pid := range processes() {
		if !before[pid] && !inside[pid] && rollup(pid)["Pss"] > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func memory(p *peer) error {
	before := processes()
	begin := time.Now()
	xs, err := p.upMany()
	took := time.Since(begin)
	defer downMany(xs)
	if err != nil {
		return err
	}
	time.Sleep(time.Second) // collectors and idle threads have done what they do
	var pss, dirty, tasks float64
	pids := holders(before, xs)
	for _, pid := range pids {
		kib := rollup(pid)
		pss += kib["Pss"]
		dirty += kib["Private_Dirty"]
		tasks += float64(threads(pid))
	}
	p.value("PSS", "KiB", pss)
	p.value("private dirty", "KiB", dirty)
	p.value("processes", "", float64(len(pids)))
	p.value("threads", "", tasks)
	p.ms("start all", took)
	return nil
}

// Rounds.

func sample(p *peer, f func(*peer) error) {
	time.Sleep(time.Duration(*gap) * time.Millisecond)
	limit := sampleLimit + time.Duration(*count)*500*time.Millisecond
	watchdog := time.AfterFunc(limit, func() {
		fmt.Fprintf(os.Stderr, "bench client: %s: %s hangs\n", *test, p.label)
		os.Exit(1)
	})
	defer watchdog.Stop()
	if err := f(p); err != nil {
		p.failed(err)
	}
}

func measure(warm int, f func(*peer) error) {
	for round := -warm; round < *rounds; round++ {
		for _, i := range rand.Perm(len(peers)) {
			peers[i].warming = round < 0
			sample(peers[i], f)
		}
	}
}

// dial connects to a daemon; the empty address is nobody's.
func dial(address string) (*containerd.Client, error) {
	if address == "" {
		return nil, nil
	}
	return containerd.New(address)
}

func main() {
	var err error
	flag.Var(peerFlag{}, "runtime", "LABEL=NAME[,binary=PATH][,address=SOCKET][,daemon=FILE], may be repeated")
	flag.Parse()
	if len(peers) == 0 || *bundle == "" {
		flag.Usage()
		os.Exit(2)
	}
	rand.Seed(time.Now().UnixNano())
	ctx = namespaces.WithNamespace(context.Background(), namespace)
	client, err = dial(*address)
	must(err)
	for _, p := range peers {
		if p.client = client; p.address != "" {
			p.client, err = dial(p.address)
			must(err)
		}
	}
	switch *test {
	case "life":
		measure(warmUp, life)
	case "lives":
		measure(1, lives)
	case "daemon":
		measure(0, daemonMemory)
	case "restart":
		measure(0, restarted)
	case "exec":
		withTargets(func() { measure(warmUp, execs) })
	case "exit":
		events := subscribe()
		measure(warmUp, func(p *peer) error { return exits(p, events) })
	case "memory":
		measure(0, memory)
	case "idle":
		measure(0, idle)
	case "growth":
		measure(0, growth)
	case "storm":
		withTargets(func() { measure(1, storm) })
	case "events":
		withTargets(func() { measure(1, eventRate) })
	case "output":
		measure(1, output)
	default:
		must(fmt.Errorf("no test %q", *test))
	}
}
