/* What makes a head refusable whatever the version it came in. Called by the parsers, on any thread; pure. Here and not
 * in each parser, so that a request is not let through one door and refused at the other. */
#include "http/judge.h"

#include "base/err.h"
#include "http/target.h"

int judge_length(const struct field *fields, uint32_t count, int64_t *ret_length)
{
    int64_t length = -1;
    for (uint32_t i = 0; i < count; i++) {
        struct str rest = fields[i].value, piece;
        if (fields[i].id != FIELD_CONTENT_LENGTH)
            continue;
        do {
            uint64_t value;
            if (!str_cut(&rest, ',', &piece) || str_parse_u64(piece, INT64_MAX, &value) != 0)
                return -ERR_REQUEST_LENGTH;
            if (length >= 0 && length != (int64_t)value)
                return -ERR_REQUEST_LENGTH;
            length = (int64_t)value;
        } while (rest.p);
    }
    *ret_length = length;
    return 0;
}

int judge_host(struct msg *msg, bool has_host, bool repeated)
{
    bool elsewhere = msg->major == 2 && msg->authority.n > 0;
    if (!has_host)
        return msg->minor == 0 || elsewhere ? 0 : -ERR_REQUEST_HOST;
    struct field *host = fields_find(msg->fields, msg->count, FIELD_HOST);
    if (repeated || !target_host_valid(host->value))
        return -ERR_REQUEST_HOST;
    /* RFC 9113 section 8.3.1: two names for one request are how rules are got around. */
    if (elsewhere && !str_ieq(host->value, msg->authority))
        return -ERR_REQUEST_HOST;
    host->dropped = true;
    if (msg->authority.n == 0)
        msg->authority = host->value;
    return 0;
}

int judge_expect(struct msg *msg)
{
    for (uint32_t i = 0; i < msg->count; i++) {
        if (msg->fields[i].id == FIELD_EXPECT && !str_ieq(msg->fields[i].value, STR("100-continue")))
            return -ERR_REQUEST_EXPECT;
    }
    msg->expect_continue = msg->minor == 1;
    return 0;
}

int judge_answer_error(int error)
{
    switch (-error) {
    case ERR_REQUEST_HEAD_SIZE:
    case ERR_REQUEST_FIELD_COUNT:
    case ERR_REQUEST_TARGET_SIZE: return -ERR_ANSWER_HEAD_SIZE;
    case ERR_REQUEST_BARE_LF:
    case ERR_REQUEST_CHUNK:
    case ERR_REQUEST_TRAILER: return -ERR_ANSWER_MALFORMED;
    default: return error;
    }
}
