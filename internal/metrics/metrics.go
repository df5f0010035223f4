package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are the server's collectors. They are safe for concurrent use.
type Metrics struct {
	Registry *prometheus.Registry

	SIPRequests  *prometheus.CounterVec // method, status
	SIPResponses *prometheus.CounterVec // method, status: answers to what we sent
	SIPSeconds   prometheus.Histogram   // from reception to final response
	HTTPRequests *prometheus.CounterVec // method, status
	HTTPSeconds  prometheus.Histogram
	EventStreams prometheus.Gauge

	NotifiesSent   prometheus.Counter
	NotifiesFailed *prometheus.CounterVec // reason
	Retransmits    prometheus.Counter

	Subscriptions *prometheus.GaugeVec   // event, kind: plain or list
	Backend       prometheus.Gauge       // subscriptions of our own to other domains
	BackendEnds   *prometheus.CounterVec // reason
	Publications  prometheus.Gauge
	Bindings      prometheus.Gauge
	Flows         *prometheus.GaugeVec // transport

	Overload     prometheus.Counter     // requests refused because a queue was full
	Panics       prometheus.Counter     // recovered
	Malformed    prometheus.Counter     // messages dropped or answered 400
	AuthFailures *prometheus.CounterVec // face: sip or http

	CommitSeconds prometheus.Histogram
	CommitBatches prometheus.Histogram
	CommitErrors  prometheus.Counter
}

// New returns metrics on a new registry, with those of the Go runtime and the
// process beside them.
func New() *Metrics {
	m := &Metrics{
		Registry:     prometheus.NewRegistry(),
		SIPRequests:  counters("sip_requests_total", "SIP requests answered, by method and final status.", "method", "status"),
		SIPResponses: counters("sip_client_responses_total", "Final answers to SIP requests sent, by method and status.", "method", "status"),
		SIPSeconds: histogram("sip_request_seconds", "Time from a SIP request to its final response.",
			prometheus.ExponentialBuckets(0.0001, 2.5, 12)),
		HTTPRequests: counters("http_requests_total", "HTTP requests answered, by method and status.", "method", "status"),
		HTTPSeconds: histogram("http_request_seconds", "Time to answer an HTTP request.",
			prometheus.ExponentialBuckets(0.0001, 2.5, 12)),

		EventStreams: gauge("event_streams", "Open streams of server-sent events."),

		NotifiesSent:   counter("notifies_sent_total", "NOTIFY requests sent, without retransmissions."),
		NotifiesFailed: counters("notifies_failed_total", "NOTIFY requests that failed, by reason.", "reason"),
		Retransmits:    counter("sip_retransmits_total", "SIP requests sent again for want of an answer."),

		Subscriptions: gauges("subscriptions", "Live subscriptions.", "event", "kind"),
		Backend:       gauge("backend_subscriptions", "Subscriptions of our own to other domains, wanted ones that wait included."),
		BackendEnds:   counters("backend_ends_total", "Ends of such subscriptions and failures to begin one, by reason.", "reason"),
		Publications:  gauge("publications", "Live publications."),
		Bindings:      gauge("bindings", "Live registrar bindings."),
		Flows:         gauges("flows", "Open connections, by transport.", "transport"),

		Overload:     counter("overload_total", "Requests refused because a queue was full."),
		Panics:       counter("panics_total", "Panics recovered."),
		Malformed:    counter("malformed_total", "Messages that were dropped or refused as malformed."),
		AuthFailures: counters("auth_failures_total", "Requests with wrong credentials, by face.", "face"),

		CommitSeconds: histogram("commit_seconds", "Duration of a group commit.",
			prometheus.ExponentialBuckets(0.0001, 2.5, 12)),
		CommitBatches: histogram("commit_batches", "Batches written by one group commit.",
			prometheus.ExponentialBuckets(1, 2, 10)),
		CommitErrors: counter("commit_errors_total", "Group commits that failed."),
	}
	m.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.SIPRequests, m.SIPResponses, m.SIPSeconds, m.HTTPRequests, m.HTTPSeconds, m.EventStreams,
		m.NotifiesSent, m.NotifiesFailed, m.Retransmits,
		m.Subscriptions, m.Backend, m.BackendEnds, m.Publications, m.Bindings, m.Flows,
		m.Overload, m.Panics, m.Malformed, m.AuthFailures,
		m.CommitSeconds, m.CommitBatches, m.CommitErrors,
	)
	return m
}

// Commit records one group commit; it has the form of a store's CommitHook.
func (m *Metrics) Commit(batches int, took time.Duration, err error) {
	m.CommitBatches.Observe(float64(batches))
	m.CommitSeconds.Observe(took.Seconds())
	if err != nil {
		m.CommitErrors.Inc()
	}
}

const namespace = "rollcall"

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}
