/* An exchange that lies still, with stand-ins for its sessions: for the tests of the files that write parts of its
 * life. Nothing runs but the clock; the test sets the fields of `x` and asks.
 */
#ifndef UNIT_PROXY_STILL_LIFE_H
#define UNIT_PROXY_STILL_LIFE_H

#include "proxy/exchange_parts.h"
#include "tests/sim/io_sim.h"
#include "tests/unit/balance/balance_helper.h"

struct still_life {
    struct io_sim_net *net;
    struct buf_pool buffers;
    struct io *io;
    struct helper_pool helper;
    struct exchange_rules rules;
    struct exchange_epoch epoch;
    struct account account;
    struct access_log log; /* off */
    struct recent recent;
    struct exchange_home home;
    struct seat seat;              /* of both */
    struct session client, worker; /* what they were given to send goes into these */
    struct bufq sent;
    struct msg sent_head;
    uint32_t heads, ends;
    int error; /* of the next send */
    struct exchange *x;
};

void still_life_init(struct still_life *s);
void still_life_fini(struct still_life *s);
void still_life_pass(struct still_life *s, int64_t ms);

#endif
