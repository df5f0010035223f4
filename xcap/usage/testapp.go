package usage

// TestApp is the usage test-app, for trying out clients: it has neither schema
// nor default namespace and takes any well-formed document.
func TestApp() *Usage {
	return &Usage{AUID: "test-app", MIMEType: "application/test-app+xml"}
}
