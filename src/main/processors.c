/* A container with half a processor that starts 64 threads is slower than one that starts one: the quota counts as much
 * as the mask. Start-up only. */
#include "main/processors.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { THREADS_MAX = 256 };

uint32_t processors_of_quota(const char *text)
{
    struct str rest = str_trim(str_slice(text, strcspn(text, "\n")));
    struct str quota_text, period_text;
    uint64_t quota, period;

    if (!str_cut(&rest, ' ', &quota_text) || !str_cut(&rest, ' ', &period_text))
        return 0;
    if (str_parse_u64(quota_text, INT64_MAX, &quota) || str_parse_u64(period_text, INT32_MAX, &period) || period == 0)
        return 0;
    uint64_t whole = (quota + period - 1) / period;
    return whole < 1 ? 1 : whole > THREADS_MAX ? THREADS_MAX : (uint32_t)whole;
}

static uint32_t quota_here(void)
{
    char text[128] = "";
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");

    if (!file)
        return 0;
    if (!fgets(text, sizeof(text), file))
        text[0] = 0;
    fclose(file);
    return processors_of_quota(text);
}

uint32_t processors_usable(void)
{
    cpu_set_t set;
    uint32_t count = 1;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = (uint32_t)CPU_COUNT(&set);
    uint32_t quota = quota_here();
    if (quota > 0 && quota < count)
        count = quota;
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
}
