/* What a server has learned and counted, told to the one that takes its place in an upgrade: its workers by identity
 * with health, probes and counters, what was changed of them at run time, whose turn it is in each pool, all totals,
 * and what an operator can look at: the last events and reloads.
 *
 * JSON in a file of memory that the keeper made, behind a line with its length and check sum: it is written over while
 * the other may be reading. Control thread. The reader may be another version than the writer: names that it does not
 * know are skipped, and numbers that are missing are 0.
 */
#ifndef CONTROL_ADMIN_HANDOVER_H
#define CONTROL_ADMIN_HANDOVER_H

#include "control/changes.h"
#include "control/journal.h"
#include "control/metric_text.h"
#include "control/reload_history.h"

struct handover;

/* From the beginning of the file. 0, or a code: it holds nothing whole then. */
MUST_CHECK int handover_write(int fd, const struct metric_sources *sources);
/* NULL: nothing whole is there, or nothing that can be understood. */
struct handover *handover_read(int fd);
/* Nulls; NULL there is harmless. */
void handover_free(struct handover **handover);

/* Enters its workers into a roster that is still empty, as ones that no configuration has (snapshot_enter says
 * otherwise). 0, -ERR_NO_MEMORY or -ERR_FULL. */
MUST_CHECK int handover_enter(const struct handover *handover, struct roster *roster);
/* What was changed at run time. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int handover_changes(const struct handover *handover, struct changes *ret_changes);
/* How they are, as far as the snapshot has them; before the prober starts. Its pools are published. Returns of how many
 * workers something was known. */
uint32_t handover_restore(const struct handover *handover, struct roster *roster, const struct snapshot *snapshot,
                          struct prober *prober);
/* Sets how many reloads there were. */
void handover_count_reloads(const struct handover *handover, struct metric_sources *sources);
/* The last events, before those of the journal, and the last reloads, into a history that is empty. 0 or
 * -ERR_NO_MEMORY: without the events. */
MUST_CHECK int handover_past(const struct handover *handover, struct journal *journal, struct reload_history *history);
/* Sets the account to what was counted; workers that are not in the roster are left out. ended: nothing is open or
 * under way there any more, and what was under way when it was told is lost. */
void handover_count(const struct handover *handover, struct roster *roster, struct account *account, bool ended);

#endif
