package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"rollcall/internal/config"
)

// announce tells a running server what changed, if there is one, and says on the
// terminal what came of it. The change itself is stored already.
func announce(ctx context.Context, con console, place config.Place, n notice) {
	switch err := post(ctx, place, n); {
	case err == nil:
		fmt.Fprintln(con.stderr, "The running server has been told.")
	case errors.Is(err, syscall.ECONNREFUSED):
		// No server runs with this configuration: the next one reads the database.
	default:
		fmt.Fprintf(con.stderr, "The change is stored, but a running server could not be told (%v): it takes accounts up within seconds, documents when they change again or at its next start.\n", err)
	}
}

func post(ctx context.Context, place config.Place, n notice) error {
	url, err := adminURL(place.AdminListen, "/admin/changed")
	if err != nil {
		return err
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil
}
