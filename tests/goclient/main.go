// SPDX-License-Identifier: Apache-2.0

// A client of containerd's Go packages, as Debian has them, that goes through the life of a container from an image and
// says what it saw, without what differs from one daemon or moment to the next:
//
//	goclient -address SOCKET -image FILE.tar -runtime NAME [-id ID] [-snapshotter NAME]
//
// The image's program is a shell. Whatever does not happen as it should ends the program with 1 and what it was.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd"
	apievents "github.com/containerd/containerd/api/events"
	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	"github.com/containerd/containerd/cio"
	"github.com/containerd/containerd/containers"
	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/events"
	"github.com/containerd/containerd/leases"
	"github.com/containerd/containerd/namespaces"
	"github.com/containerd/containerd/oci"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/typeurl"
	"github.com/gogo/protobuf/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var (
	address     = flag.String("address", "", "socket")
	image       = flag.String("image", "", "archive of an image")
	runtime     = flag.String("runtime", "io.containerd.runc.v2", "name of the runtime")
	id          = flag.String("id", "go1", "id of the container")
	snapshotter = flag.String("snapshotter", containerd.DefaultSnapshotter, "name of the snapshotter")

	ctx    context.Context
	client *containerd.Client
)

func must(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func require(what string, ok bool, args ...interface{}) {
	if !ok {
		must(what, fmt.Errorf("%v", args))
	}
}

// Events of the container come in their order; the names of those are kept.
type log struct {
	envelopes <-chan *events.Envelope
	errs      <-chan error
	names     []string
}

func describe(e *events.Envelope) string {
	v, err := typeurl.UnmarshalAny(e.Event)
	must("decode an event", err)
	switch m := v.(type) {
	case *apievents.TaskExit:
		if m.ContainerID != m.ID {
			return fmt.Sprintf("%s exec %d", e.Topic, m.ExitStatus)
		}
		return fmt.Sprintf("%s init %d", e.Topic, m.ExitStatus)
	case *apievents.TaskExecAdded:
		return e.Topic + " " + m.ExecID
	case *apievents.TaskExecStarted:
		return e.Topic + " " + m.ExecID
	}
	return e.Topic
}

func (l *log) until(last string) {
	end := time.After(60 * time.Second)
	for {
		select {
		case e := <-l.envelopes:
			l.names = append(l.names, describe(e))
			if e.Topic == last {
				return
			}
		case err := <-l.errs:
			must("subscription", fmt.Errorf("ended: %v", err))
		case <-end:
			must("events", fmt.Errorf("%s did not come: %v", last, l.names))
		}
	}
}

// Several of them are told by other processes than the daemon: each kind is in order, the kinds are not.
func (l *log) print() {
	for _, part := range []string{"/containers/", "/tasks/"} {
		for _, name := range l.names {
			if strings.HasPrefix(name, part) {
				fmt.Println("event", name)
			}
		}
	}
}

func load() containerd.Image {
	f, err := os.Open(*image)
	must("open the image", err)
	defer f.Close()
	got, err := client.Import(ctx, f)
	must("import", err)
	require("import", len(got) == 1, got)
	img := containerd.NewImage(client, got[0])
	must("unpack", img.Unpack(ctx, *snapshotter))
	done, err := img.IsUnpacked(ctx, *snapshotter)
	must("is unpacked", err)
	size, err := img.Size(ctx)
	must("size", err)
	fmt.Println("image", img.Name(), img.Target().MediaType, done, size)
	return img
}

func create(img containerd.Image, script string) containerd.Container {
	c, err := client.NewContainer(ctx, *id,
		containerd.WithImage(img),
		containerd.WithSnapshotter(*snapshotter),
		containerd.WithNewSnapshot(*id+"-snapshot", img),
		containerd.WithRuntime(*runtime, nil),
		containerd.WithContainerLabels(map[string]string{"who": "go"}),
		containerd.WithNewSpec(oci.WithImageConfig(img), oci.WithProcessArgs("/bin/sh", "-c", script)))
	must("create", err)
	info, err := c.Info(ctx)
	must("info", err)
	fmt.Println("container", info.ID, info.Image, info.Runtime.Name == *runtime, info.SnapshotKey, info.Labels["who"])
	_, err = client.NewContainer(ctx, *id, containerd.WithNewSpec())
	require("create again", errdefs.IsAlreadyExists(err), err)
	return c
}

func exec(task containerd.Task) {
	var out bytes.Buffer
	spec, err := task.Spec(ctx)
	must("spec", err)
	process := *spec.Process
	process.Args = []string{"/bin/sh", "-c", "read x; echo exec says $x; exit 5"}
	e, err := task.Exec(ctx, "e1", &process, cio.NewCreator(cio.WithStreams(strings.NewReader("hello\n"), &out, nil)))
	must("exec", err)
	ended, err := e.Wait(ctx)
	must("exec wait", err)
	must("exec start", e.Start(ctx))
	status := <-ended
	e.IO().Wait()
	code, at, err := status.Result()
	must("exec status", err)
	require("exec time", time.Since(at) < time.Hour, at)
	fmt.Printf("exec ended with %d: %q\n", code, out.String())
	_, err = e.Delete(ctx)
	must("exec delete", err)
}

func run(c containerd.Container, l *log) {
	var out bytes.Buffer
	task, err := c.NewTask(ctx, cio.NewCreator(cio.WithStreams(nil, &out, nil)))
	must("task", err)
	require("pid", task.Pid() > 1, task.Pid())
	ended, err := task.Wait(ctx)
	must("wait", err)
	status, err := task.Status(ctx)
	must("status", err)
	fmt.Println("status", status.Status)
	must("start", task.Start(ctx))
	status, err = task.Status(ctx)
	must("status", err)
	fmt.Println("status", status.Status)
	pids, err := task.Pids(ctx)
	must("pids", err)
	require("pids", len(pids) >= 1 && pids[0].Pid == task.Pid(), pids)
	exec(task)
	_, err = task.Delete(ctx)
	require("delete of what runs", errdefs.IsFailedPrecondition(err), err)
	must("pause", task.Pause(ctx))
	status, err = task.Status(ctx)
	must("status", err)
	fmt.Println("status", status.Status)
	must("resume", task.Resume(ctx))
	m, err := task.Metrics(ctx)
	must("metrics", err)
	fmt.Println("metrics", m.ID, m.Data != nil)
	must("kill", task.Kill(ctx, syscall.SIGTERM))
	code, _, err := (<-ended).Result()
	must("exit", err)
	again, err := task.Wait(ctx)
	must("wait after the exit", err)
	code2, _, err := (<-again).Result()
	must("exit", err)
	fmt.Println("ended with", code, code2)
	deleted, err := task.Delete(ctx)
	must("delete", err)
	fmt.Printf("deleted with %d: %q\n", deleted.ExitCode(), out.String())
	_, err = c.Task(ctx, nil)
	require("task that is gone", errdefs.IsNotFound(err), err)
	l.until("/tasks/delete")
}

func forget(c containerd.Container, img containerd.Image, l *log) {
	must("update", c.Update(ctx, func(_ context.Context, _ *containerd.Client, c *containers.Container) error {
		c.Labels["more"] = "yes"
		return nil
	}))
	labels, err := c.Labels(ctx)
	must("labels", err)
	fmt.Println("labels", labels["who"], labels["more"])
	must("delete the container", c.Delete(ctx, containerd.WithSnapshotCleanup))
	l.until("/containers/delete")
	_, err = client.LoadContainer(ctx, *id)
	require("container that is gone", errdefs.IsNotFound(err), err)
	must("delete the image", client.ImageService().Delete(ctx, img.Name()))
	_, err = client.GetImage(ctx, img.Name())
	require("image that is gone", errdefs.IsNotFound(err), err)
}

// What is not done, by its class: the words are each daemon's own.
func class(err error) string {
	switch {
	case err == nil:
		return "done"
	case errdefs.IsAlreadyExists(err):
		return "already exists"
	case errdefs.IsInvalidArgument(err):
		return "invalid argument"
	case errdefs.IsNotFound(err):
		return "not found"
	case errdefs.IsNotImplemented(err):
		return "not implemented"
	case errdefs.IsCanceled(err):
		return "cancelled"
	}
	return "unknown"
}

// Who unpacks a layer that is there is told so, by the name that it would have been committed under.
func refuseSnapshot() {
	s := client.SnapshotService(*snapshotter)
	_, err := s.Prepare(ctx, "layer-1", "")
	must("prepare", err)
	must("commit", s.Commit(ctx, "layer", "layer-1"))
	for _, name := range []string{"layer", "other"} {
		_, err = s.Prepare(ctx, "layer-2", "", snapshots.WithLabels(map[string]string{"containerd.io/snapshot.ref": name}))
		fmt.Println("prepare for", name, class(err))
	}
	for _, key := range []string{"layer-2", "layer"} {
		must("remove", s.Remove(ctx, key))
	}
}

func refuseLease(m leases.Manager, l leases.Lease) {
	for _, r := range []leases.Resource{{ID: "no digest", Type: "content"}, {ID: "x", Type: "snapshots"}, {ID: "x", Type: "snapshots/a/b"}, {ID: "x", Type: "other"}, {ID: "x", Type: "snapshots/a"}} {
		fmt.Printf("lease of %q %q: %s\n", r.Type, r.ID, class(m.AddResource(ctx, l, r)))
	}
	got, err := m.ListResources(ctx, l)
	must("resources", err)
	fmt.Println("leased", got)
	fmt.Println("event of no time", class(client.EventService().Forward(ctx, &events.Envelope{Namespace: "other", Topic: "/ok", Event: &types.Any{TypeUrl: "x"}})))
}

// A create that fails on a hook, and an exec that is not named as containers are.
func refuseTask(img containerd.Image) {
	hook := func(_ context.Context, _ oci.Client, _ *containers.Container, s *oci.Spec) error {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
		return nil
	}
	for _, more := range []oci.SpecOpts{hook, oci.WithProcessArgs("/bin/sh", "-c", "exit 0")} {
		c, err := client.NewContainer(ctx, "refused", containerd.WithSnapshotter(*snapshotter), containerd.WithNewSnapshot("refused", img),
			containerd.WithRuntime(*runtime, nil), containerd.WithNewSpec(oci.WithImageConfig(img), more))
		must("create", err)
		task, err := c.NewTask(ctx, cio.NullIO)
		fmt.Println("task", class(err))
		if err == nil {
			for _, id := range []string{"a/b", strings.Repeat("a", 77), strings.Repeat("a", 76)} {
				_, err = task.Exec(ctx, id, &specs.Process{Args: []string{"x"}, Cwd: "/"}, cio.NullIO)
				fmt.Println("exec", class(err))
			}
			_, err = task.Delete(ctx, containerd.WithProcessKill)
			must("delete", err)
		}
		must("delete", c.Delete(ctx, containerd.WithSnapshotCleanup))
	}
}

func refusals() {
	m := client.LeasesService()
	l, err := m.Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	must("lease", err)
	plain := ctx
	ctx = leases.WithLease(plain, l.ID)
	refuseSnapshot()
	must("content", content.WriteBlob(ctx, client.ContentStore(), "blob", strings.NewReader("bytes"), ocispec.Descriptor{Size: 5, Digest: digest.FromString("bytes")}))
	refuseLease(m, l)
	ctx = plain
	must("delete the lease", m.Delete(ctx, l))
	unnamed, err := leasesapi.NewLeasesClient(client.Conn()).Create(ctx, &leasesapi.CreateRequest{})
	must("lease without a name", err)
	require("lease without a name", unnamed.Lease.ID != "", unnamed)
	must("delete the lease", m.Delete(ctx, leases.Lease{ID: unnamed.Lease.ID}))
}

// What was begun is gone on with at once by another writer, and tells the same; one that was refused holds its reference no more.
func goOn() {
	wanted := ocispec.Descriptor{Size: 10, Digest: digest.FromString("0123456789")}
	open := func() content.Writer {
		w, err := client.ContentStore().Writer(ctx, content.WithRef("parts"), content.WithDescriptor(ocispec.Descriptor{Size: wanted.Size}))
		must("writer of a reference that is free", err)
		return w
	}
	write := func(w content.Writer, part string) content.Status {
		before := time.Now()
		_, err := w.Write([]byte(part))
		must("write "+part, err)
		after := time.Now()
		s, err := w.Status()
		must("status", err)
		require("updated by the write", !s.UpdatedAt.Before(before) && !s.UpdatedAt.After(after), s.UpdatedAt, before, after)
		return s
	}
	w := open()
	left := write(w, "01234")
	must("close", w.Close())
	w = open()
	s, err := w.Status()
	must("status", err)
	require("the same", s.UpdatedAt.Equal(left.UpdatedAt) && s.StartedAt.Equal(left.StartedAt), s, left)
	fmt.Println("gone on with", s.Offset, "of", s.Total)
	must("truncate", w.Truncate(s.Offset))
	write(w, "56789")
	err = w.Commit(ctx, wanted.Size, digest.FromString("else"))
	fmt.Println("the wrong digest:", errdefs.IsFailedPrecondition(err))
	w = open()
	must("commit", w.Commit(ctx, wanted.Size, wanted.Digest))
	must("forget it", client.ContentStore().Delete(ctx, wanted.Digest))
}

func main() {
	flag.Parse()
	var err error
	client, err = containerd.New(*address, containerd.WithTimeout(20*time.Second))
	must("connect", err)
	defer client.Close()
	base, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	ctx = namespaces.WithNamespace(base, "goclient")
	serving, err := client.IsServing(ctx)
	must("health", err)
	fmt.Println("serving", serving)
	_, err = client.Version(ctx)
	must("version", err)
	img := load()
	refusals()
	refuseTask(img)
	goOn()
	l := &log{}
	l.envelopes, l.errs = client.Subscribe(ctx, "namespace==goclient,topic~=|^/tasks/|", "namespace==goclient,topic~=|^/containers/|")
	c := create(img, "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done")
	// A subscription says nothing when it has begun: the container is told of again until it is heard of.
	for heard := false; !heard; {
		_, err := c.SetLabels(ctx, map[string]string{"who": "go"})
		must("label", err)
		select {
		case <-l.envelopes:
			heard = true
		case <-time.After(200 * time.Millisecond):
		}
	}
	run(c, l)
	forget(c, img, l)
	var kept []string
	for _, name := range l.names {
		if name != "/containers/update" && name != "/containers/create" {
			kept = append(kept, name)
		}
	}
	l.names = kept
	l.print()
}
