/* A reactor on the simulated net with scripted workers behind it and scripted clients in front: what the tests of
 * exchange and reactor share.
 *
 *     struct world w;
 *     world_init(&w, 2);         two living workers that answer 200 "ok"; rules and options may be changed now
 *     world_start(&w);
 *     ... world_ask(&w, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") ...
 *     world_stop(&w);            everything ends; what must hold after any run is asserted
 */
#ifndef UNIT_PROXY_WORLD_H
#define UNIT_PROXY_WORLD_H

#include "balance/pick.h"
#include "proxy/reactor.h"
#include "tests/unit/balance/balance_helper.h"
#include "tests/unit/balance/scripted_worker.h"

enum { WORLD_WORKERS = 3 };

struct world {
    struct io_sim_net *net;
    struct helper_pool helper;
    struct scripted_worker far[WORLD_WORKERS];
    struct worker_label labels[WORLD_WORKERS];
    struct exchange_rules rules;
    struct route route;
    struct reactor_options options;
    struct reactor *reactor;
    struct sockaddr_storage door;
    struct reactor_door opened;
    uint32_t stopped; /* calls of on_stopped */
    /* as of world_count */
    struct account_totals totals;
    struct account_worker workers[WORLD_WORKERS];
};

void world_init(struct world *w, uint32_t workers);
void world_start(struct world *w);
/* Clients are closed by then. */
void world_stop(struct world *w);
/* Lets virtual time pass. */
void world_run(struct world *w, int64_t ms);
/* Reads the counters, and checks what holds of them at any moment. */
void world_count(struct world *w);

struct io_sim_peer *world_client(struct world *w);
void world_send(struct io_sim_peer *client, const char *text);
/* Everything the client has received so far, as a C string that lives until the next call. */
const char *world_received(struct io_sim_peer *client);
/* One request on a connection of its own; what came back within 20 ms. */
const char *world_ask(struct world *w, const char *request);
#define assert_begins(text, prefix) assert_begins_at(text, prefix, __FILE__, __LINE__)
void assert_begins_at(const char *text, const char *prefix, const char *file, int line);
#define assert_holds(text, part) assert_holds_at(text, part, __FILE__, __LINE__)
void assert_holds_at(const char *text, const char *part, const char *file, int line);

#endif
