package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/store"
)

// demoFile keeps the passwords of the demo accounts in the data directory.
const demoFile = "demo-passwords"

// demoUser is an account that is there to try the server out.
type demoUser struct {
	name, password string
	changed        bool // the account has another password by now
}

// demoUsers makes sure that the demo accounts exist, with the same passwords over
// restarts.
func demoUsers(ctx context.Context, cfg *config.Config, st store.Store) ([]demoUser, error) {
	users := []demoUser{{name: "alice"}, {name: "bob"}}
	if err := demoPasswords(cfg.Data, users); err != nil {
		return nil, fmt.Errorf("demo passwords: %w", err)
	}
	for i := range users {
		account, err := auth.NewUser("sip:"+users[i].name+"@"+cfg.Domain[0], users[i].password)
		if err != nil {
			return nil, err
		}
		switch old, err := st.User(ctx, account.AOR); {
		case errors.Is(err, store.ErrNotFound):
			account.DisplayName = strings.ToUpper(users[i].name[:1]) + users[i].name[1:]
			if err := st.AddUsers(ctx, []store.User{account}, true); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		default:
			users[i].changed = old.HA1SHA256 != account.HA1SHA256
		}
	}
	return users, nil
}

// demoPasswords reads the passwords and adds those that are missing to the file.
func demoPasswords(dir string, users []demoUser) error {
	name := filepath.Join(dir, demoFile)
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if user, password, ok := strings.Cut(lines.Text(), " "); ok {
			known[user] = password
		}
	}
	var out strings.Builder
	for i := range users {
		u := &users[i]
		if u.password = known[u.name]; u.password == "" {
			u.password = generatedPassword()[:12]
		}
		fmt.Fprintf(&out, "%s %s\n", u.name, u.password)
	}
	if out.String() == string(text) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(out.String()), 0o600)
}

// printDemo tells a person what to type into a client.
func printDemo(con console, n *node, users []demoUser) {
	w := con.stdout
	proxy := n.reachable(n.sipAddrs[0])
	fmt.Fprintf(w, "\nDemo accounts. Type this into Blink, Linphone or any other SIP client:\n\n")
	for _, u := range users {
		password := u.password
		if u.changed {
			password = "(changed since; see rollcall user passwd)"
		}
		fmt.Fprintf(w, "  SIP address     %s@%s\n", u.name, n.cfg.Domain[0])
		fmt.Fprintf(w, "  User name       %s\n", u.name)
		fmt.Fprintf(w, "  Password        %s\n\n", password)
	}
	fmt.Fprintf(w, "  Domain, realm   %s\n", n.cfg.Domain[0])
	fmt.Fprintf(w, "  Outbound proxy  %s;transport=tcp\n", proxy)
	fmt.Fprintf(w, "  XCAP root       %s\n\n", n.xcapURL())
	fmt.Fprintf(w, "The passwords stay the same; they are in %s.\n", filepath.Join(n.cfg.Data, demoFile))
}
