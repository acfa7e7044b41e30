/* Content-Type and grpc-timeout of any bytes: what is a call, and how long it may take, as a second reading has it.
 *
 * The input is the type, a line feed, and the timeout.
 */
#include "fuzz.h"

#include <string.h>

#include "proxy/grpc.h"

static int64_t unit_us(char unit)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}};

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (units[i].unit == unit)
            return units[i].us;
    return 0;
}

static int64_t expected_ms(struct str text)
{
    int64_t count = 0;

    if (text.n < 2 || text.n > 9)
        return -1;
    for (size_t i = 0; i + 1 < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        count = count * 10 + text.p[i] - '0';
    }
    char unit = text.p[text.n - 1];
    if (unit == 'n')
        return (count + 999999) / 1000000;
    return unit_us(unit) ? (count * unit_us(unit) + 999) / 1000 : -1;
}

static bool expected_call(struct str type)
{
    static const char word[] = "application/grpc";
    char lower[sizeof(word)] = "";

    for (size_t i = 0; i < sizeof(word) - 1 && i < type.n; i++)
        lower[i] = (char)(type.p[i] >= 'A' && type.p[i] <= 'Z' ? type.p[i] + 32 : type.p[i]);
    if (memcmp(lower, word, sizeof(word)) != 0)
        return false;
    char next = type.n > sizeof(word) - 1 ? type.p[sizeof(word) - 1] : ';';
    return next == '+' || next == ';';
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str input = str_slice((const char *)bytes, n);
    const char *line = n ? memchr(bytes, '\n', n) : NULL;
    size_t first = line ? (size_t)(line - input.p) : n;
    struct str type = str_slice(input.p, first);
    struct str timeout = line ? str_slice(line + 1, n - first - 1) : STR_NONE;
    struct field fields[] = {{.name = STR("content-type"), .value = type, .dropped = true},
                             {.name = STR("Content-Type"), .value = type},
                             {.name = STR("GRPC-Timeout"), .value = timeout}};
    struct msg request = {.method = METHOD_POST, .trailers_wanted = true, .fields = fields, .count = 3};

    ASSERT(grpc_is_call(&request) == expected_call(type));
    ASSERT(grpc_timeout_ms(&request) == expected_ms(timeout));
    request.trailers_wanted = false;
    ASSERT(!grpc_is_call(&request));
    request = (struct msg){.method = METHOD_GET, .trailers_wanted = true, .fields = fields, .count = 2};
    ASSERT(!grpc_is_call(&request) && grpc_timeout_ms(&request) == -1);
    return 0;
}
