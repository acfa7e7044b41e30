/* What a reactor is made of: for the files in which its business is written, and for nobody else.
 *
 * reactor.c has its life and what other threads ask of it; reactor_doors.c whom it lets in; reactor_change.c how it
 * turns to another configuration.
 */
#ifndef PROXY_REACTOR_PARTS_H
#define PROXY_REACTOR_PARTS_H

#include <pthread.h>

#include "base/mailbox.h"
#include "net/listener.h"
#include "net/proxied.h"
#include "net/tls_room.h"
#include "proxy/reactor.h"
#include "proxy/warm.h"

enum mail_kind { MAIL_RETIRE, MAIL_DRAIN, MAIL_ORDER, MAIL_CHANGE, MAIL_CLIENT };

/* A listening socket of this reactor. */
struct door {
    struct listener listener; /* first */
    struct list link;
    struct clients_way way; /* of what is accepted */
    int64_t known_ms;       /* from then on the other reactors know of it too */
};

struct reactor {
    struct exchange_home home;
    struct reactor_options options;
    struct io *io;
    struct buf_pool buffers;
    struct lease_book leases;
    struct warm warm;
    struct account account;
    struct access_log log;
    struct recent recent;
    struct tls_room handshakes;
    struct proxied_room proxied;
    struct list doors;
    uint32_t doors_open; /* those being closed included */
    struct h2_room h2, h2_workers;
    struct clients clients;
    struct timer flush;
    struct mailbox mail;
    pthread_t thread;
    bool retiring;
    bool draining;
    bool stopped;
    uint32_t shortages;     /* of the team, those that it has seen */
    _Atomic uint64_t turns; /* for whoever watches that it does not stand still */
};

/* One more of something in its account's totals. */
static inline void reactor_count_one(struct reactor *reactor, uint64_t *counter)
{
    account_begin(&reactor->account);
    __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
    account_end(&reactor->account);
}

/* What its idle worker connections go by, as its options are now. */
struct lease_options reactor_lease_options(struct reactor *reactor);

#endif
