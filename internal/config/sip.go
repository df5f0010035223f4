package config

import (
	"errors"
	"net/netip"
)

// SIP says how SIP is served beyond UDP and TCP.
type SIP struct {
	SIPSListen    []string `name:"sips-listen" env:"ROLLCALL_SIPS_LISTEN" placeholder:"HOST:PORT" help:"SIP over TLS, commonly on port 5061; needs tls-cert or acme-domain. Repeat for more."`
	TLSClientCA   string   `name:"tls-client-ca" env:"ROLLCALL_TLS_CLIENT_CA" placeholder:"FILE" help:"Authorities, PEM, whose certificates SIP peers may show; what these name is verified then."`
	TLSRootCA     string   `name:"tls-root-ca" env:"ROLLCALL_TLS_ROOT_CA" placeholder:"FILE" help:"Authorities, PEM, of the SIP servers that are connected to over TLS, instead of those of the system."`
	WSPath        string   `name:"ws-path" env:"ROLLCALL_WS_PATH" default:"/ws" placeholder:"PATH" help:"Path of SIP over WebSocket on the HTTP and HTTPS listeners; - for none."`
	WSOrigin      []string `name:"ws-origin" env:"ROLLCALL_WS_ORIGIN" placeholder:"HOST" help:"Host whose web pages may open WebSockets, besides those of the server itself, e.g. phone.example.org or *.example.org; repeat for more."`
	ProxyProtocol []string `name:"proxy-protocol" env:"ROLLCALL_PROXY_PROTOCOL" placeholder:"CIDR" help:"Network of load balancers whose SIP connections begin with a PROXY header (version 1 or 2); repeat for more."`
}

func (s *SIP) normalize(tls bool, roots []string) error {
	for _, a := range s.SIPSListen {
		if err := checkListen("sips-listen", a); err != nil {
			return err
		}
	}
	if len(s.SIPSListen) > 0 && !tls {
		return errors.New("sips-listen: needs tls-cert or acme-domain")
	}
	var err error
	if s.WSPath, err = ownPath("ws-path", s.WSPath, roots); err != nil {
		return err
	}
	_, err = s.ProxyPrefixes()
	return err
}

// ProxyPrefixes returns the networks of the proxy-protocol setting.
func (s *SIP) ProxyPrefixes() ([]netip.Prefix, error) {
	return prefixes("proxy-protocol", s.ProxyProtocol)
}
