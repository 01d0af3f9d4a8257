// Package devstack runs the servers that Waybill stands on, for `waybill dev`, for tests and for benchmarks: a
// private Postgres as a child process, and an in-process NATS server with JetStream.
//
// Both are the real thing with durable settings: fsync, full_page_writes and synchronous_commit are on, as in
// production. Data survives a kill -9 of this process, of Postgres, or of both; the next start recovers it.
//
// It does not download anything (a missing Postgres is an [*NoPostgresError] with the one line that installs it), does
// not migrate or seed a database, does not manage a server that somebody else started, and is not meant for
// production: whoever may open the Unix socket is superuser.
package devstack
