package event

import (
	"context"
	"fmt"
	"math"

	"rollcall/internal/store"
)

// leaseBlock is how many NOTIFY requests, or body versions, may go out before
// the ceilings have to be written again. Every stored SUBSCRIBE renews them for
// nothing, so few subscriptions ever use up a block.
const leaseBlock = 256

// lease holds the two counters of a dialog that must not go backwards, not even
// after a crash, and the ceilings that are on disk. A restart goes on from the
// ceilings.
type lease struct {
	cseq           uint32 // of the last NOTIFY (RFC 3261 §12.2.1.1)
	cseqCeiling    uint32 // no NOTIFY above this has been sent
	version        uint32 // of the next body
	versionCeiling uint32 // no body at or above this has been sent
}

// unlimited is the lease of a poll, which leaves nothing behind.
func unlimited() lease {
	return lease{cseqCeiling: math.MaxInt32, versionCeiling: math.MaxUint32}
}

// resumed is the lease of a subscription from an earlier run.
func resumed(cseqCeiling, versionCeiling uint32) lease {
	return lease{cseq: cseqCeiling, cseqCeiling: cseqCeiling, version: versionCeiling, versionCeiling: versionCeiling}
}

// covers reports whether the next NOTIFY, with the versions handed out so far,
// may be sent.
func (l *lease) covers() bool { return l.cseq < l.cseqCeiling && l.version <= l.versionCeiling }

// extended returns l with a whole block ahead.
func (l lease) extended() lease {
	l.cseqCeiling = max(l.cseqCeiling, l.cseq+leaseBlock)
	l.versionCeiling = max(l.versionCeiling, l.version+leaseBlock)
	return l
}

// ensureLease makes the ceilings of s durable when the next NOTIFY needs it.
func (n *Notifier) ensureLease(s *Subscription) error {
	if s.lease.covers() || s.sending.over {
		// The row of an ended subscription is gone, and with it what a restart
		// would go on from.
		return nil
	}
	before := s.lease
	s.lease = s.lease.extended()
	ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
	defer cancel()
	if err := n.cfg.Store.Commit(ctx, store.Batch{Subscriptions: []store.Subscription{s.row()}}); err != nil {
		s.lease = before
		return fmt.Errorf("extending the CSeq lease: %w", err)
	}
	return nil
}
