package wire

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// methodNames are the methods that are counted by name; the last stands for all
// others.
var methodNames = [...]string{
	"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH",
	"MESSAGE", "INFO", "UPDATE", "REFER", "PRACK", "other",
}

const otherMethod = len(methodNames) - 1

// methodIndex returns the place of a method in methodNames.
func methodIndex(method string) int {
	for i, name := range methodNames[:otherMethod] {
		if name == method {
			return i
		}
	}
	return otherMethod
}

// tally counts by method and final status. It keeps the counters that were used,
// because to look one up by its labels costs more than all else about it.
type tally struct {
	vec   *prometheus.CounterVec
	cells [len(methodNames)][500]atomic.Pointer[prometheus.Counter] // status 200 to 699
}

func (t *tally) count(method string, status int) {
	i := methodIndex(method)
	if status < 200 || status > 699 {
		return
	}
	cell := &t.cells[i][status-200]
	c := cell.Load()
	if c == nil {
		counter := t.vec.WithLabelValues(methodNames[i], strconv.Itoa(status))
		c = &counter
		cell.Store(c)
	}
	(*c).Inc()
}
