package wire

// cohort is the transactions of a table that expire in the same second, with their
// responses: thousands of them in a few large blocks that go at once.
type cohort struct {
	keys   []txKey
	blocks [][]byte
}

// span is the place of a response within the blocks of a cohort.
type span struct{ block, offset, length int }

const (
	firstBlock = 1 << 10
	fullBlock  = 16 << 10
)

// keep copies b into the last block, or into a new one when there is no room.
func (c *cohort) keep(b []byte) span {
	last := len(c.blocks) - 1
	if last < 0 || cap(c.blocks[last])-len(c.blocks[last]) < len(b) {
		size := min(firstBlock<<len(c.blocks), fullBlock)
		c.blocks = append(c.blocks, make([]byte, 0, max(size, len(b))))
		last++
	}
	block := &c.blocks[last]
	at := len(*block)
	*block = append(*block, b...)
	return span{last, at, len(b)}
}

// at returns what keep was given; nil for the zero span.
func (c *cohort) at(s span) []byte {
	if s.length == 0 {
		return nil
	}
	end := s.offset + s.length
	return c.blocks[s.block][s.offset:end:end]
}
