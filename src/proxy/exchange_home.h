/* Where a reactor's exchanges live: the parts of the reactor that they use, and their memory.
 *
 * Owned by the reactor, on its thread.
 */
#ifndef PROXY_EXCHANGE_HOME_H
#define PROXY_EXCHANGE_HOME_H

#include "balance/lease.h"
#include "balance/retry.h"
#include "base/rand.h"
#include "base/slab.h"
#include "proxy/access_log.h"
#include "proxy/account.h"

struct exchange;
struct exchange_rules;
struct recent;
struct span_queue;

/* The rules of one configuration in one reactor: exchanges that began under them hold them to their end. */
struct exchange_epoch {
    const struct exchange_rules *rules;
    uint32_t users; /* exchanges */
    bool past;      /* no exchange begins under them any more */
    /* Told once, when it is past and without users; it may free itself. */
    void (*on_idle)(struct exchange_epoch *epoch);
};

struct exchange_home {
    struct io *io;
    struct exchange_epoch *epoch; /* of those that begin now */
    struct lease_book *leases;
    struct account *account;
    struct access_log *log;
    struct recent *recent;
    struct span_queue *spans; /* NULL: nobody exports them */
    struct rand_gen rand;
    struct retry_budget retries;
    struct slab exchanges;
    struct list alive;      /* exchange.link, oldest first */
    struct exchange *spare; /* ended ones, kept warm */
    uint32_t spare_count, spare_max;
    int64_t date_s; /* the second that date stands for */
    char date[29];
};

/* Memory, date and budget; the parts are the reactor's to set. */
void exchange_home_init(struct exchange_home *home, size_t max_exchanges);
/* Every exchange was given back. */
void exchange_home_fini(struct exchange_home *home);

/* Exchanges begin under other rules from now on. NULL: none will begin. */
void exchange_home_turn(struct exchange_home *home, struct exchange_epoch *epoch);

/* All zero but for its arena, which is ready, its tries, and the rules that it holds; NULL at the limit. */
struct exchange *exchange_home_take(struct exchange_home *home);
void exchange_home_give(struct exchange_home *home, struct exchange *x);
/* The Date of now, formatted once a second; valid until the next call. */
struct str exchange_home_date(struct exchange_home *home);

#endif
