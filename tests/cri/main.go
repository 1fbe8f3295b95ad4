// SPDX-License-Identifier: Apache-2.0

// A client of the CRI for tests, in the place of crictl, which Debian does not have.
//
//	cri -address SOCKET -proto FILE [-timeout SECONDS] METHOD [REQUEST]
//
// REQUEST is the message of that method as JSON, FILE the compiled cri.proto; the answer is printed as JSON, on one line.
// An error is printed as "CODE: TEXT", with status 1. Nothing of the API is compiled in: what cri.proto has can be called.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// codec is how messages made at run time are sent: Debian's grpc knows those of an older library only.
type codec struct{}

func (codec) Marshal(v interface{}) ([]byte, error)      { return proto.Marshal(v.(proto.Message)) }
func (codec) Unmarshal(data []byte, v interface{}) error { return proto.Unmarshal(data, v.(proto.Message)) }
func (codec) Name() string                               { return "proto" }

func services(file string) ([]protoreflect.ServiceDescriptor, error) {
	var set descriptorpb.FileDescriptorSet
	var found []protoreflect.ServiceDescriptor

	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := 0; i < fd.Services().Len(); i++ {
			found = append(found, fd.Services().Get(i))
		}
		return true
	})
	return found, nil
}

func find(file, name string) (protoreflect.MethodDescriptor, error) {
	all, err := services(file)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if m := s.Methods().ByName(protoreflect.Name(name)); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no method '%s': %w", name, protoregistry.NotFound)
}

func call(ctx context.Context, address string, m protoreflect.MethodDescriptor, in, out proto.Message) error {
	conn, err := grpc.DialContext(ctx, address, grpc.WithInsecure(), grpc.WithBlock(), grpc.FailOnNonTempDialError(true),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Invoke(ctx, fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()), in, out,
		grpc.ForceCodec(codec{}), grpc.MaxCallRecvMsgSize(64<<20))
}

func run() error {
	address := flag.String("address", "", "containerd's socket")
	file := flag.String("proto", "", "compiled cri.proto")
	timeout := flag.Float64("timeout", 60, "seconds for the call")

	flag.Parse()
	if flag.NArg() < 1 || flag.NArg() > 2 {
		return fmt.Errorf("usage: cri -address SOCKET -proto FILE [-timeout SECONDS] METHOD [REQUEST]")
	}
	m, err := find(*file, flag.Arg(0))
	if err != nil {
		return err
	}
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if flag.NArg() == 2 {
		if err := protojson.Unmarshal([]byte(flag.Arg(1)), in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*timeout*float64(time.Second)))
	defer cancel()
	if err := call(ctx, *address, m, in, out); err != nil {
		return fmt.Errorf("%s: %s", status.Code(err), status.Convert(err).Message())
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(out)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
