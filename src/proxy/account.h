/* Counters of one reactor, and of what its exchanges came to. Every number in the metrics that traffic makes is here.
 *
 * Written by the reactor alone, between account_begin and account_end: a sequence lock, so that a reader sees whole
 * states, in which total = ok + failed + aborted + active and the workers' dispatches sum to all dispatches.
 */
#ifndef PROXY_ACCOUNT_H
#define PROXY_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance/retry.h"
#include "base/err.h"
#include "base/str.h"
#include "base/table.h"
#include "http/h2_room.h"
#include "net/proxied.h"
#include "net/tls_room.h"

struct worker;

enum account_outcome { ACCOUNT_OK, ACCOUNT_FAILED, ACCOUNT_ABORTED };
enum { ACCOUNT_CLASSES = 5, ACCOUNT_BUCKETS = 14 }; /* 1xx to 5xx; upper bounds of durations */

/* Upper bounds in microseconds; one more bucket above the last is the count of all. */
extern const uint32_t account_bucket_us[ACCOUNT_BUCKETS];

struct account_worker {
    uint64_t dispatches;               /* first tries and retries */
    uint64_t answers[ACCOUNT_CLASSES]; /* by class of the status passed on */
    uint64_t broken;                   /* dispatches without a whole answer passed on */
};

struct account_totals {
    uint64_t total, ok, failed, aborted, active;
    uint64_t dispatches;
    uint64_t own_answers[ACCOUNT_CLASSES]; /* made by Ballast itself */
    uint64_t by_reason[ERR_COUNT];         /* failed and aborted ones */
    uint64_t retries[ERR_COUNT];           /* by the error of the try before */
    uint64_t retries_refused[RETRY_REFUSALS];
    uint64_t retries_waited; /* that had to wait for the budget */
    uint64_t heads_lost;     /* connections that ended inside a request head */
    uint64_t duration_us_sum;
    uint64_t duration_count;
    uint64_t duration_buckets[ACCOUNT_BUCKETS];      /* not cumulative */
    uint64_t bytes_from_clients, bytes_from_workers; /* bodies */
    uint64_t tunnels, tunnels_open;                  /* requests that became one */
    uint64_t tunnels_idle, tunnels_drained;          /* those that were ended by us, for their silence or our end */
    uint64_t clients_accepted;
    uint64_t clients_passed_on;   /* of those that were accepted, to another reactor that counts them */
    uint64_t accepts_refused;     /* could not be had */
    uint64_t clients_turned_away; /* had too many already */
    struct h2_counts h2, h2_workers;
    uint64_t clients_open;
    uint64_t handshakes[TLS_NOTES];      /* of TLS, with clients: by enum tls_note */
    uint64_t proxied[PROXIED_NOTES];     /* PROXY headers of clients' connections */
    uint64_t workers_open, workers_idle; /* connections */
};

/* Durations of a worker's answers, finer than the metrics' buckets: the first is below 64 us, then 4 for each doubling,
 * the last has no bound. Not under the sequence lock: rates are read from them, no sums. */
enum { ACCOUNT_LATENCIES = 84, ACCOUNT_LATENCY_FIRST_US = 64 };
/* Which of them, and where it begins. */
uint32_t account_latency_of(uint64_t us);
uint64_t account_latency_us(uint32_t bucket);

struct account {
    /* shared: written by the control thread */
    _Atomic uint32_t worker_count;
    struct table workers;   /* struct account_worker by worker index; their content is the reactor's */
    struct table latencies; /* _Atomic uint32_t[ACCOUNT_LATENCIES] by worker index; likewise */
    /* shared: written by the reactor */
    _Alignas(64) _Atomic uint32_t sequence;
    struct account_totals totals;
};

MUST_CHECK int account_init(struct account *account, uint32_t workers);
/* Control thread, before anybody counts for them: room for workers with an index below `workers`. 0, -ERR_NO_MEMORY,
 * -ERR_FULL. */
MUST_CHECK int account_grow(struct account *account, uint32_t workers);
void account_fini(struct account *account);

/* Reactor's thread: around changes. Not nested. */
void account_begin(struct account *account);
void account_end(struct account *account);

/* Any thread: adds a whole state of this account to *totals and workers[0..count). The account has grown to count.
 * scratch[0..count): the caller's memory for the time of the call. */
void account_add_to(const struct account *account, struct account_totals *totals, struct account_worker *workers,
                    struct account_worker *scratch, uint32_t count);

/* For an account without a reactor, between begin and end: other numbers in place of its own. */
void account_set_totals(struct account *account, const struct account_totals *totals);
void account_set_worker(struct account *account, const struct worker *worker, const struct account_worker *counted);

/* What an exchange came to, once, at its only exit. */
struct account_record {
    enum account_outcome outcome;
    bool tunnel;                   /* account_note_tunnel was called: how long it stood is no time to answer */
    int error;                     /* why not ok: a code, else 0 */
    int status;                    /* what the client got; 0: nothing */
    const struct worker *answered; /* whose answer was passed on, NULL: none */
    uint64_t duration_us;
    uint64_t request_bytes, answer_bytes;
};

/* These call begin and end themselves. */
void account_note_begun(struct account *account);
void account_note_dispatch(struct account *account, const struct worker *worker);
void account_note_retry(struct account *account, const struct worker *worker, int error);
void account_note_tunnel(struct account *account);
void account_note_retry_refused(struct account *account, enum retry_refusal why);
void account_note_retry_waits(struct account *account);
void account_note_ended(struct account *account, const struct worker *last, const struct account_record *record);

#endif
