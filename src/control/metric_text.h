/* The metrics page: the plain lines that were asked for first, then labelled series for Prometheus (text format 0.0.4).
 */
#ifndef CONTROL_METRIC_TEXT_H
#define CONTROL_METRIC_TEXT_H

#include "balance/probe.h"
#include "base/bufq.h"
#include "control/logs.h"
#include "control/snapshot.h"
#include "control/span_export.h"

/* What became of reloads, as the API says it. */
enum metric_reload { RELOADS_APPLIED, RELOADS_FAILED, RELOADS_REFUSED, RELOADS_ROLLED_BACK, RELOADS_RESULTS };

/* Where the numbers come from; everything outlives the page's readers. */
struct metric_sources {
    const struct roster *roster;
    const struct snapshot *snapshot; /* control thread only: the one in use */
    const struct changes *changes;   /* control thread only: what was changed at run time; NULL: there is no list */
    struct journal *journal;         /* for the server that takes this one's place, as the next; NULL: none */
    const struct reload_history *history;
    const struct account *const *accounts; /* of each reactor */
    uint32_t account_count;                /* the first `threads` of them are of reactors */
    uint32_t threads;
    struct prober *prober;
    const struct logs *logs;        /* NULL: none */
    const struct span_queue *spans; /* NULL, as the next: none are exported */
    const struct span_export *export;
    int64_t started_s;
    _Atomic uint64_t reloads[RELOADS_RESULTS]; /* the control thread counts, as the next */
    _Atomic uint64_t rollback_ended, rollback_failed;
    _Atomic uint64_t run_time_changes; /* how many entries `changes` has */
};

enum { METRIC_PIECE_BYTES = 64 << 10 };

struct metric_page; /* under way */

/* Writes a piece: METRIC_PIECE_BYTES and what one worker has to say. 1: there is more, for a later turn; 0: that was
 * all; or -ERR_NO_MEMORY. *page is NULL before the first piece and after the last. All of a page's counts are of the
 * moment when it was begun. Any thread that holds the snapshot, whose listeners are told of; `out` is the same each
 * time. */
MUST_CHECK int metric_page_write(const struct metric_sources *sources, const struct snapshot *snapshot,
                                 struct metric_page **page, struct bufq *out);
/* The rest is not wanted; harmless without a page. */
void metric_page_drop(struct metric_page **page);

#endif
