/* The forms of a request target, and what a host may look like.
 *
 * Called by the request parsers, on any thread. Strict, because a target that two programs read differently is how
 * requests are smuggled past rules; and exact, because a worker gets the client's bytes.
 */
#include "http/target.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "http/bytes.h"

static bool is_hex(char c)
{
    char lower = str_lower(c);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/* unreserved, sub-delims and percent-escapes of RFC 3986 section 3.2.2. */
static bool name_valid(struct str name)
{
    size_t i = bytes_plain_run(name.p, name.n);
    while (i < name.n) {
        char c = name.p[i];
        if (c == '%') {
            if (name.n - i < 3 || !is_hex(name.p[i + 1]) || !is_hex(name.p[i + 2]))
                return false;
            i += 3;
        } else if (bytes_is_plain(c) || (c != '\0' && strchr("~!$&'()*+,;=", c))) {
            i++;
        } else {
            return false;
        }
    }
    return name.n > 0;
}

static bool ipv6_valid(struct str text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.n == 0 || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* Empty, or ':' and a port that may be empty. */
static bool port_valid(struct str text)
{
    uint64_t port;
    return text.n <= 1 ? text.n == 0 || text.p[0] == ':'
                       : text.p[0] == ':' && str_parse_u64(str_slice(text.p + 1, text.n - 1), UINT16_MAX, &port) == 0;
}

struct str target_host_name(struct str host)
{
    if (host.n > 0 && host.p[0] == '[') {
        size_t close = str_find(host, ']');
        return str_slice(host.p, close < host.n ? close + 1 : host.n);
    }
    return str_slice(host.p, str_find(host, ':'));
}

bool target_host_valid(struct str host)
{
    struct str name = target_host_name(host);
    if (name.n == 0 || !port_valid(str_slice(host.p + name.n, host.n - name.n)))
        return false;
    if (name.p[0] == '[')
        return name.n > 2 && name.p[name.n - 1] == ']' && ipv6_valid(str_slice(name.p + 1, name.n - 2));
    return name_valid(name);
}

static size_t scheme_length(struct str target)
{
    static const struct str schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (target.n > schemes[i].n && str_ieq(str_slice(target.p, schemes[i].n), schemes[i]))
            return schemes[i].n;
    }
    return 0;
}

static int parse_absolute(enum msg_method method, struct str target, struct msg *ret_msg)
{
    size_t scheme = scheme_length(target);
    if (scheme == 0)
        return -ERR_REQUEST_TARGET;
    struct str rest = str_slice(target.p + scheme, target.n - scheme);
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    struct str authority = str_slice(rest.p, n);
    if (!target_host_valid(authority) || (n < rest.n && rest.p[n] == '?'))
        return -ERR_REQUEST_TARGET;
    rest = str_slice(rest.p + n, rest.n - n);
    if (rest.n == 0)
        rest = method == METHOD_OPTIONS ? STR("*") : STR("/");
    ret_msg->authority = authority;
    ret_msg->target = rest;
    ret_msg->path = str_slice(rest.p, str_find(rest, '?'));
    return 0;
}

int target_parse(enum msg_method method, struct str target, struct msg *ret_msg)
{
    if (target.n == 0 || bytes_target_run(target.p, target.n) != target.n)
        return -ERR_REQUEST_TARGET;
    bool asterisk = target.n == 1 && target.p[0] == '*' && method == METHOD_OPTIONS;
    if (target.p[0] != '/' && !asterisk)
        return parse_absolute(method, target, ret_msg);
    ret_msg->authority = STR_NONE;
    ret_msg->target = target;
    ret_msg->path = str_slice(target.p, str_find(target, '?'));
    return 0;
}
