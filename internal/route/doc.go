// Package route is the table of other domains: where requests for them go, and
// for which there is no way.
package route
