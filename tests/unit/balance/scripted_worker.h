/* A scripted worker on the simulated net: takes every connection, counts whole requests, and answers each with the same
 * bytes, or leaves the answering to the test.
 */
#ifndef UNIT_BALANCE_SCRIPTED_WORKER_H
#define UNIT_BALANCE_SCRIPTED_WORKER_H

#include "tests/sim/io_sim.h"

enum { SCRIPTED_CONNS = 64, SCRIPTED_REQUEST_BYTES = 1 << 17 };

struct scripted_worker;

struct scripted_conn {
    struct scripted_worker *worker;
    struct io_sim_peer *peer; /* NULL once closed by the test */
    uint32_t requests;
};

struct scripted_worker {
    struct io_sim_net *net;
    struct sockaddr_storage address;
    int listener;        /* -1: refuses connections */
    const char *answer;  /* NULL: silent */
    uint32_t dead_below; /* connections before this one are closed when a request comes, */
    bool dead_reset;     /* with a reset */
    bool close_after;    /* the connection ends behind each answer */
    uint32_t accepted;   /* connections */
    uint32_t requests;   /* whole ones, on all connections */
    char *last;          /* the last whole request, a C string */
    struct scripted_conn conns[SCRIPTED_CONNS];
};

/* It listens at an address of its own, and answers 200 with the body "ok". */
void scripted_worker_start(struct scripted_worker *worker, struct io_sim_net *net);
/* Connections are refused from now on; present ones stay. */
void scripted_worker_refuse(struct scripted_worker *worker);
/* Listens again. */
void scripted_worker_listen(struct scripted_worker *worker);
/* Closes one connection: orderly or with a reset. */
void scripted_worker_close(struct scripted_worker *worker, uint32_t conn, bool reset);
/* Sends on the newest connection. */
void scripted_worker_send(struct scripted_worker *worker, const char *text);
/* The newest connection. */
struct scripted_conn *scripted_worker_newest(struct scripted_worker *worker);
/* Connections that neither side has ended. */
uint32_t scripted_worker_open(const struct scripted_worker *worker);
/* Closes everything. */
void scripted_worker_stop(struct scripted_worker *worker);

#endif
