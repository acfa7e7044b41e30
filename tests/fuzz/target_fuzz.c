/* Targets and hosts: what is accepted has one reading, made of the bytes that came.
 *
 * The first byte: 'o' a target of OPTIONS, 'h' a host, anything else a target of GET.
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"
#include "http/target.h"

/* What no host holds: with any of these, somebody reads another host. */
static const char never_in_host[] = " \t\r\n/?#@\\\"<>^`{|}";

static void check_port(struct str host, struct str name)
{
    struct str port = str_slice(host.p + name.n, host.n - name.n);
    uint64_t number = 0;
    ASSERT(port.n == 0 || port.p[0] == ':');
    if (port.n > 1)
        ASSERT(str_parse_u64(str_slice(port.p + 1, port.n - 1), 65535, &number) == 0);
}

static void check_valid_host(struct str host)
{
    struct str name = target_host_name(host);
    ASSERT(name.n > 0 && name.n <= host.n && name.p == host.p);
    for (size_t i = 0; i < host.n; i++)
        ASSERT(host.p[i] > 0x20 && host.p[i] < 0x7f && !strchr(never_in_host, host.p[i]));
    check_port(host, name);
    /* A colon or bracket only where the port or an IPv6 address says so. */
    bool brackets = host.p[0] == '[';
    ASSERT(brackets == (str_find(name, ']') < name.n) && brackets == (str_find(name, ':') < name.n));
    ASSERT(target_host_valid(name) && str_eq(target_host_name(name), name));
}

/* A host is valid in Host exactly when it is in an absolute form. */
static void check_host_in_url(struct str host, bool valid)
{
    char url[512];
    struct msg msg = {0};
    if (host.n > sizeof(url) - 16 || str_find(host, '/') < host.n || str_find(host, '?') < host.n)
        return;
    memcpy(url, "HtTp://", 7);
    memcpy(url + 7, host.p, host.n);
    memcpy(url + 7 + host.n, "/p?q", 4);
    int error = target_parse(METHOD_GET, str_slice(url, host.n + 11), &msg);
    ASSERT((error == 0) == valid);
    if (valid) {
        ASSERT(str_eq(msg.authority, host) && str_eq(msg.target, STR("/p?q")) && str_eq(msg.path, STR("/p")));
    }
}

static void try_host(struct str host)
{
    bool valid = target_host_valid(host);
    if (valid)
        check_valid_host(host);
    check_host_in_url(host, valid);
}

static void check_whole(struct str text, const struct msg *msg)
{
    if (msg->authority.n == 0) {
        ASSERT(str_eq(msg->target, text) && msg->target.p == text.p);
        return;
    }
    size_t scheme = (size_t)(msg->authority.p - text.p);
    ASSERT(scheme == 7 || scheme == 8);
    ASSERT(str_ieq(str_slice(text.p, scheme), scheme == 7 ? STR("http://") : STR("https://")));
    check_valid_host(msg->authority);
    size_t left = text.n - scheme - msg->authority.n;
    if (left > 0)
        ASSERT(msg->target.p == msg->authority.p + msg->authority.n && msg->target.n == left);
    else
        ASSERT(str_eq(msg->target, STR("/")) || str_eq(msg->target, STR("*")));
}

static void check_parsed(enum msg_method method, struct str text, const struct msg *msg)
{
    struct msg again = {0};
    ASSERT(msg->target.n > 0 && (msg->target.p[0] == '/' || str_eq(msg->target, STR("*"))));
    ASSERT(msg->target.p[0] == '/' || method == METHOD_OPTIONS);
    for (size_t i = 0; i < msg->target.n; i++)
        ASSERT(msg->target.p[i] > 0x20 && msg->target.p[i] < 0x7f && msg->target.p[i] != '#');
    ASSERT(msg->path.p == msg->target.p && msg->path.n == str_find(msg->target, '?'));
    check_whole(text, msg);
    /* What a worker gets is an origin form or the asterisk, read alike. */
    ASSERT(target_parse(method, msg->target, &again) == 0);
    ASSERT(again.authority.n == 0 && str_eq(again.target, msg->target) && str_eq(again.path, msg->path));
}

static void try_target(enum msg_method method, struct str text)
{
    struct msg msg, before;
    memset(&msg, 0x5a, sizeof(msg));
    before = msg;
    int error = target_parse(method, text, &msg);
    ASSERT(error == 0 || error == -ERR_REQUEST_TARGET);
    if (error == 0)
        check_parsed(method, text, &msg);
    else
        ASSERT(memcmp(&msg, &before, sizeof(msg)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    struct str text = str_slice((const char *)bytes + 1, n - 1);
    if (bytes[0] == 'h')
        try_host(text);
    else
        try_target(bytes[0] == 'o' ? METHOD_OPTIONS : METHOD_GET, text);
    return 0;
}
