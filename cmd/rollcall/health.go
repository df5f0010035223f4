package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"rollcall/internal/config"
)

type healthCmd struct {
	config.Place `embed:""`
}

// Run asks the admin listener of a running server.
func (c *healthCmd) Run(ctx context.Context, con console) error {
	if err := c.Normalize(); err != nil {
		return usageError{err}
	}
	url, err := adminURL(c.AdminListen, "/readyz")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from the server: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("not ready: " + strings.TrimSpace(string(text)))
	}
	_, err = fmt.Fprintln(con.stdout, "ready")
	return err
}
