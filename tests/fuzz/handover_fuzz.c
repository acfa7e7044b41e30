/* What a server tells the one that takes its place: whatever stands in the file, it is understood or not, a roster
 * takes as many workers as it has room for, a journal and a list of reloads as much as they have, in order, and nothing
 * is left behind.
 *
 * The first byte: bit 0 is set when the server before has ended. The rest is the JSON; its line with length and check
 * sum is put before it, or the input would never come past that.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/admin_handover.h"
#include "control/admin_past.h"

enum { MOST = 1 << 16 };

/* As control/admin_handover has it: FNV-1a. */
static uint64_t sum_of(const uint8_t *bytes, size_t n)
{
    uint64_t sum = 14695981039346656037U;

    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * 1099511628211U;
    return sum;
}

static int file_of(const uint8_t *bytes, size_t n)
{
    char head[64];
    int fd = memfd_create("handover-fuzz", MFD_CLOEXEC);
    int length = snprintf(head, sizeof(head), "%016llx %016zx\n", (unsigned long long)sum_of(bytes, n), n);

    ASSERT(fd >= 0 && write(fd, head, (size_t)length) == length && write(fd, bytes, n) == (ssize_t)n);
    return fd;
}

/* Twice, as if two upgrades came one after the other. */
static void take_past(const struct handover *handover)
{
    static struct reload_history history;
    static struct journal_line line;
    struct journal *journal;

    ASSERT(journal_create(&journal) == 0);
    history = (struct reload_history){.numbers = 0};
    for (int i = 0; i < 2; i++) {
        ASSERT(handover_past(handover, journal, &history) == 0);
        for (uint64_t n = journal_newest(journal), k = 0; n > 0 && k < JOURNAL_LINES; n--, k++)
            ASSERT(!journal_read(journal, n, &line) ||
                   (line.number == n && line.sentence[0] && line.facts_n <= JOURNAL_FACTS_BYTES));
    }
    for (uint32_t i = 0; i < RELOAD_HISTORY; i++)
        ASSERT(history.entries[i].number <= history.numbers);
    json_decref(admin_events_json(journal));
    json_decref(admin_history_json(&history));
    reload_history_fini(&history);
    journal_destroy(&journal);
}

static void take(const struct handover *handover, bool ended)
{
    struct roster roster;
    struct changes changes;
    static struct account account;
    static struct metric_sources sources;

    ASSERT(roster_init(&roster) == 0);
    if (handover_enter(handover, &roster) == 0 && account_init(&account, roster_count(&roster)) == 0) {
        handover_count(handover, &roster, &account, ended);
        account_fini(&account);
    }
    if (handover_changes(handover, &changes) == 0)
        changes_fini(&changes);
    handover_count_reloads(handover, &sources);
    take_past(handover);
    roster_fini(&roster);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0 || n > MOST)
        return 0;
    int fd = file_of(bytes + 1, n - 1);
    struct handover *handover = handover_read(fd);
    close(fd);
    if (handover)
        take(handover, bytes[0] & 1);
    handover_free(&handover);
    return 0;
}
