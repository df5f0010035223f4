// Package config holds every setting of the server in one struct. Its field
// tags are the flags, the environment variables, the keys of the configuration
// file and their documentation at once. A flag wins over the environment, the
// environment over the file, the file over the default.
package config
