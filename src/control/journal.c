/* A ring under a mutex: lines are few, since each call site of the log is limited. Owned by the server. */
#include "control/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"

struct journal {
    pthread_mutex_t lock;
    uint64_t newest;
    struct journal_line lines[JOURNAL_LINES]; /* number n at n % JOURNAL_LINES */
};

/* Facts that find no room are left out whole. */
static void put_facts(struct journal_line *line, const struct log_fact *facts)
{
    for (const struct log_fact *fact = facts; fact->name; fact++) {
        size_t name = strlen(fact->name), room = JOURNAL_FACTS_BYTES - line->facts_n;
        if (room < name + 26)
            return;
        char *at = line->facts + line->facts_n;
        if (line->facts_n)
            *at++ = ' ';
        at = str_put(at, str_slice(fact->name, name));
        *at++ = '=';
        room = JOURNAL_FACTS_BYTES - (size_t)(at - line->facts);
        if (fact->type == LOG_FACT_STR) {
            at += escape_text(at, room, fact->text);
        } else {
            uint64_t number = (uint64_t)fact->number;
            if (fact->number < 0) {
                *at++ = '-';
                number = 0 - number;
            }
            at += str_put_u64(at, number);
        }
        line->facts_n = (uint32_t)(at - line->facts);
    }
}

static void keep(void *context, enum log_level level, const char *sentence, const struct log_fact *facts)
{
    struct journal *journal = context;

    if (level < LOG_INFO)
        return;
    pthread_mutex_lock(&journal->lock);
    uint64_t number = ++journal->newest;
    struct journal_line *line = &journal->lines[number % JOURNAL_LINES];
    line->number = number;
    line->at_ns = clock_wall_ns();
    line->level = level;
    (void)snprintf(line->sentence, sizeof(line->sentence), "%s", sentence);
    line->facts_n = 0;
    put_facts(line, facts);
    pthread_mutex_unlock(&journal->lock);
}

int journal_create(struct journal **ret_journal)
{
    struct journal *journal = calloc(1, sizeof(*journal)); /* start-up only: one a process */

    if (!journal)
        return -ERR_NO_MEMORY;
    pthread_mutex_init(&journal->lock, NULL);
    *ret_journal = journal;
    return 0;
}

void journal_start(struct journal *journal)
{
    log_set_listener(keep, journal);
}

void journal_destroy(struct journal **journal)
{
    log_set_listener(NULL, NULL);
    pthread_mutex_destroy(&(*journal)->lock);
    free(*journal); /* start-up only: see journal_create */
    *journal = NULL;
}

uint64_t journal_newest(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t newest = journal->newest;
    pthread_mutex_unlock(&journal->lock);
    return newest;
}

bool journal_read(struct journal *journal, uint64_t number, struct journal_line *ret_line)
{
    pthread_mutex_lock(&journal->lock);
    const struct journal_line *line = &journal->lines[number % JOURNAL_LINES];
    bool there = number > 0 && line->number == number;
    if (there)
        *ret_line = *line;
    pthread_mutex_unlock(&journal->lock);
    return there;
}

static void enter(struct journal_line *ring, const struct journal_line *line, uint64_t number)
{
    struct journal_line *place = &ring[number % JOURNAL_LINES];

    *place = *line;
    place->number = number;
}

/* The places follow from the numbers, so the ring is made anew. */
int journal_carry(struct journal *journal, const struct journal_line *lines, size_t count)
{
    uint64_t last = count > 0 ? lines[count - 1].number : 0, first = last >= count ? last - count + 1 : 1;
    struct journal_line *ring = calloc(JOURNAL_LINES, sizeof(*ring)); /* start-up only: once, in an upgrade */

    if (!ring)
        return -ERR_NO_MEMORY;
    last = first + count - 1;
    for (size_t i = 0; i < count; i++)
        enter(ring, &lines[i], first + i);
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < JOURNAL_LINES; i++)
        if (journal->lines[i].number > 0)
            enter(ring, &journal->lines[i], last + journal->lines[i].number);
    journal->newest += last;
    memcpy(journal->lines, ring, sizeof(journal->lines));
    pthread_mutex_unlock(&journal->lock);
    free(ring); /* start-up only: see above */
    return 0;
}
