package wire

import (
	"encoding/binary"
	"net/netip"
)

const (
	stunCookie         = 0x2112A442
	stunBindingRequest = 0x0001
	stunBindingSuccess = 0x0101
	stunXorMapped      = 0x0020
)

// isSTUN: RFC 5626 §8: the first byte tells STUN (0 or 1) from SIP. The cookie
// keeps NUL fillers apart.
func isSTUN(b []byte) bool {
	return len(b) >= 20 && b[0] <= 1 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// stunBinding answers a Binding request with the address it came from, RFC 8489
// §14.2. Anything else is ignored.
func stunBinding(b []byte, remote netip.AddrPort) []byte {
	if binary.BigEndian.Uint16(b) != stunBindingRequest || int(binary.BigEndian.Uint16(b[2:])) != len(b)-20 {
		return nil
	}
	addr, family := remote.Addr().AsSlice(), byte(1)
	if remote.Addr().Is6() {
		family = 2
	}
	out := make([]byte, 0, 44)
	out = binary.BigEndian.AppendUint16(out, stunBindingSuccess)
	out = binary.BigEndian.AppendUint16(out, uint16(8+len(addr)))
	out = append(out, b[4:20]...) // cookie and transaction id
	out = binary.BigEndian.AppendUint16(out, stunXorMapped)
	out = binary.BigEndian.AppendUint16(out, uint16(4+len(addr)))
	out = append(out, 0, family)
	out = binary.BigEndian.AppendUint16(out, remote.Port()^stunCookie>>16)
	for i := range addr {
		out = append(out, addr[i]^b[4+i])
	}
	return out
}
