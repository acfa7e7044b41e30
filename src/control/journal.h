/* The last lines of the events log, kept for whoever asks: every thread writes, the control thread reads.
 */
#ifndef CONTROL_JOURNAL_H
#define CONTROL_JOURNAL_H

#include "base/log.h"

enum { JOURNAL_LINES = 256, JOURNAL_SENTENCE_BYTES = 160, JOURNAL_FACTS_BYTES = 400 };

struct journal_line {
    uint64_t number; /* from 1 */
    int64_t at_ns;   /* wall clock */
    enum log_level level;
    char sentence[JOURNAL_SENTENCE_BYTES]; /* what is longer is cut */
    uint32_t facts_n;
    char facts[JOURNAL_FACTS_BYTES]; /* name=value, separated by spaces */
};

struct journal;

MUST_CHECK int journal_create(struct journal **ret_journal);
/* Starts to keep what the events log is told from info on, whatever its level. One journal a process. */
void journal_start(struct journal *journal);
void journal_destroy(struct journal **journal);

/* The number of the newest line; 0: none yet. Any thread. */
uint64_t journal_newest(struct journal *journal);
/* A copy of a line; false when it is gone or not there yet. Any thread. */
bool journal_read(struct journal *journal, uint64_t number, struct journal_line *ret_line);
/* Lines of the server before, in their order: they come before all that are here, which are numbered anew behind the
 * last of them. Before anybody reads. 0, or -ERR_NO_MEMORY and nothing has changed. */
MUST_CHECK int journal_carry(struct journal *journal, const struct journal_line *lines, size_t count);

#endif
