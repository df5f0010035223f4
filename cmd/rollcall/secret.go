package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxPassword bounds a password read from a terminal or a pipe.
const maxPassword = 1024

// secret is how a command comes by a password.
type secret struct {
	Password string `xor:"password" placeholder:"TEXT" help:"Password. Other users of this machine may see it; without this flag it is read from standard input."`
	Generate bool   `xor:"password" help:"Make a password and print it."`
}

// read returns the password for aor: given, generated, or from standard input.
func (s *secret) read(con console, aor string) (string, error) {
	if s.Generate {
		p := generatedPassword()
		_, err := fmt.Fprintf(con.stdout, "password %s\n", p)
		return p, err
	}
	p := s.Password
	if p == "" {
		if isTerminal(con.stdin) {
			fmt.Fprintf(con.stderr, "Password for %s (visible while you type): ", plainAOR(aor))
		}
		line, err := bufio.NewReader(io.LimitReader(con.stdin, maxPassword+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		p = strings.TrimRight(line, "\r\n")
	}
	switch {
	case p == "":
		return "", usageError{errors.New("no password: give one on standard input, with --password or with --generate")}
	case len(p) > maxPassword:
		return "", usageError{fmt.Errorf("the password is longer than %d bytes", maxPassword)}
	}
	return p, nil
}

// generatedPassword has 130 random bits and no characters that are easily mistaken.
func generatedPassword() string { return strings.ToLower(rand.Text()) }

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
