//go:build unix

package wire

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// pooledInput has a buffer only while there is something to read.
type pooledInput struct {
	raw     syscall.RawConn
	buffers *sync.Pool // of *[readSize]byte
	try     func(fd uintptr) bool

	buf *[readSize]byte
	n   int
	err error
}

func sharedInput(conn net.Conn, buffers *sync.Pool) input {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	in := &pooledInput{raw: raw, buffers: buffers}
	in.try = in.attempt
	return in
}

func (in *pooledInput) read() ([]byte, error) {
	if err := in.raw.Read(in.try); err != nil {
		return nil, err
	}
	if in.err != nil {
		return nil, in.err
	}
	return in.buf[:in.n], nil
}

// attempt reads what there is; false has it called again when there is more.
func (in *pooledInput) attempt(fd uintptr) bool {
	if in.buf, _ = in.buffers.Get().(*[readSize]byte); in.buf == nil {
		in.buf = new([readSize]byte)
	}
	n, err := syscall.Read(int(fd), in.buf[:])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), in.buf[:])
	}
	switch {
	case err == syscall.EAGAIN:
		in.done()
		return false
	case err != nil:
		in.done()
		in.n, in.err = 0, os.NewSyscallError("read", err)
	case n == 0:
		in.done()
		in.n, in.err = 0, io.EOF
	default:
		in.n = n
	}
	return true
}

func (in *pooledInput) done() {
	if in.buf != nil {
		in.buffers.Put(in.buf)
		in.buf = nil
	}
}
