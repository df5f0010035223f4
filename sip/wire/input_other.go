//go:build !unix

package wire

import (
	"net"
	"sync"
)

// sharedInput needs to know when there is something to read.
func sharedInput(net.Conn, *sync.Pool) input { return nil }
