// Package chaos breaks a running Waybill on purpose and finds out whether it kept its promises: whole processes, a real
// Postgres and a real nats-server, faults from a seed, clients that time out and send again, and a checker that holds
// what the clients were told against what is stored.
//
// A [Cluster] is what is broken, [Load] what goes on meanwhile, a [History] what the clients saw, [Check] the judge and
// [Nemesis] the one who breaks. The package imports nothing of the product: it knows it from the outside alone, by HTTP,
// the command line, SQL and NATS. It repairs nothing, and it is no simulator: a seed repeats the same faults at the same
// times, not the same interleaving.
package chaos
