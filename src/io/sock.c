/* Addresses as text and as the system's structures, and the making of listening sockets.
 *
 * Owns nothing: pure functions, and sock_listen, whose descriptor is the caller's. Called at start-up and by whoever
 * prints an address, on any thread. Names are only recognised here; asking what they mean blocks and is left to
 * net/resolve.
 */
#include "io/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

enum { HOST_MAX = 253, HTTP_PORT = 80, PORT_MAX = 65535 };

/* The address structures seen through the storage that holds any of them. */
union sock_view {
    struct sockaddr_storage storage;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

socklen_t sock_addr_len(const struct sockaddr_storage *storage)
{
    union sock_view view;
    switch (storage->ss_family) {
    case AF_INET: return sizeof(struct sockaddr_in);
    case AF_INET6: return sizeof(struct sockaddr_in6);
    case AF_UNIX:
        view.storage = *storage;
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                           strnlen(view.un.sun_path, sizeof(view.un.sun_path) - 1) + 1);
    default: return sizeof(sa_family_t);
    }
}

/* ---- Reading addresses ---- */

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -ERR_BAD_ADDRESS;
}

static int parse_path(struct str path, struct sock_name *ret_name, const char **ret_why)
{
    if (path.n == 0 || path.p[0] != '/')
        return refuse(ret_why, "the path of a Unix socket must begin with /");
    if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return refuse(ret_why, "the path of a Unix socket must be at most 107 bytes long");
    if (str_find(path, '\0') < path.n)
        return refuse(ret_why, "the path of a Unix socket must not hold a NUL byte");
    *ret_name = (struct sock_name){.host = {path.p, 0}, .path = path};
    return 0;
}

static int parse_port(struct str text, uint16_t *ret_port, const char **ret_why)
{
    uint64_t port;
    if (text.n == 0)
        return refuse(ret_why, "the port is missing after the colon");
    if (text.n > 5 || str_parse_u64(text, PORT_MAX, &port) != 0 || port == 0)
        return refuse(ret_why, "the port must be 1 to 65535");
    *ret_port = (uint16_t)port;
    return 0;
}

/* The text without brackets as an address of this family? Copies it, as inet_pton wants its NUL. */
static bool host_numeric(struct str host, int family, void *ret_addr)
{
    char text[INET6_ADDRSTRLEN];
    if (host.n == 0 || host.n >= sizeof(text) || str_find(host, '\0') < host.n)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(family, text, ret_addr) == 1;
}

static bool host_looks_like_ipv4(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
            return false;
    }
    return true;
}

static bool name_byte(char c)
{
    return (c >= '0' && c <= '9') || (str_lower(c) >= 'a' && str_lower(c) <= 'z') || c == '-' || c == '.' || c == '_';
}

static int check_host(struct str host, const char **ret_why)
{
    struct in_addr unused;
    if (str_eq(host, STR("*")))
        return refuse(ret_why, "for every address write 0.0.0.0 or [::] instead of *");
    if (host.n > HOST_MAX)
        return refuse(ret_why, "the host name is too long");
    for (size_t i = 0; i < host.n; i++) {
        if (!name_byte(host.p[i]))
            return refuse(ret_why, "the host holds a character that no name or IPv4 address has");
    }
    if (host_looks_like_ipv4(host) && !host_numeric(host, AF_INET, &unused))
        return refuse(ret_why, "this is not an IPv4 address");
    return 0;
}

/* `[address]:port`; a port of 0 in *ret_name on entry means that there must be one. */
static int parse_bracketed(struct str text, struct sock_name *name, const char **ret_why)
{
    struct in6_addr unused;
    size_t end = str_find(text, ']');
    if (end == text.n)
        return refuse(ret_why, "the closing ] is missing");
    name->host = str_slice(text.p + 1, end - 1);
    if (str_find(name->host, '%') < name->host.n)
        return refuse(ret_why, "an interface (%) cannot be given: addresses of one link are not supported");
    if (!host_numeric(name->host, AF_INET6, &unused))
        return refuse(ret_why, "what stands in brackets must be an IPv6 address");
    struct str rest = str_slice(text.p + end + 1, text.n - end - 1);
    if (rest.n == 0 && name->port != 0)
        return 0;
    if (rest.n == 0 || rest.p[0] != ':')
        return refuse(ret_why, "a colon and the port must follow the ]");
    return parse_port(str_slice(rest.p + 1, rest.n - 1), &name->port, ret_why);
}

static int parse_plain(struct str text, struct str default_host, struct sock_name *name, const char **ret_why)
{
    size_t colon = str_find(text, ':');
    if (colon == text.n) {
        name->host = text;
        if (name->port != 0)
            return check_host(text, ret_why);
        if (str_find(text, '.') == text.n && host_looks_like_ipv4(text)) {
            name->host = default_host;
            return parse_port(text, &name->port, ret_why);
        }
        return refuse(ret_why, "the port is missing; write host:port");
    }
    name->host = colon == 0 ? default_host : str_slice(text.p, colon);
    struct str port = str_slice(text.p + colon + 1, text.n - colon - 1);
    if (str_find(port, ':') < port.n)
        return refuse(ret_why, "an IPv6 address must stand in brackets, as in [::1]:3001");
    int code = colon == 0 ? 0 : check_host(name->host, ret_why);
    return code != 0 ? code : parse_port(port, &name->port, ret_why);
}

int sock_name_parse(struct str text, struct str default_host, struct sock_name *ret_name, const char **ret_why)
{
    struct sock_name name = {.path = STR_NONE};
    if (str_starts(text, STR("unix:")))
        return parse_path(str_slice(text.p + 5, text.n - 5), ret_name, ret_why);
    if (str_starts(text, STR("/")))
        return refuse(ret_why, "a Unix socket is written unix:/path");
    if (str_starts(text, STR("https://")))
        return refuse(ret_why,
                      "https:// is not supported here; write host:port, and for workers set worker_tls of their pool");
    if (str_starts(text, STR("http://"))) {
        text = str_slice(text.p + 7, text.n - 7);
        if (text.n > 0 && text.p[text.n - 1] == '/')
            text.n--;
        name.port = HTTP_PORT;
        if (text.n == 0 || text.p[0] == ':')
            return refuse(ret_why, "the host is missing after http://");
    }
    if (text.n == 0)
        return refuse(ret_why, "the address is empty");
    if (str_find(text, '/') < text.n)
        return refuse(ret_why, "an address has no path; write host:port");
    int code =
        text.p[0] == '[' ? parse_bracketed(text, &name, ret_why) : parse_plain(text, default_host, &name, ret_why);
    if (code == 0)
        *ret_name = name;
    return code;
}

int sock_addr_numeric(const struct sock_name *name, struct sock_addr *ret_addr)
{
    union sock_view view;
    memset(&view, 0, sizeof(view));
    if (name->path.n > 0) {
        if (name->path.n >= sizeof(view.un.sun_path))
            return -ERR_BAD_ADDRESS;
        view.un.sun_family = AF_UNIX;
        memcpy(view.un.sun_path, name->path.p, name->path.n);
    } else if (host_numeric(name->host, AF_INET, &view.in.sin_addr)) {
        view.in.sin_family = AF_INET;
        view.in.sin_port = htons(name->port);
    } else if (host_numeric(name->host, AF_INET6, &view.in6.sin6_addr)) {
        view.in6.sin6_family = AF_INET6;
        view.in6.sin6_port = htons(name->port);
    } else {
        return -ERR_NAME_NOT_FOUND;
    }
    ret_addr->storage = view.storage;
    ret_addr->len = sock_addr_len(&view.storage);
    ret_addr->dual_stack = false;
    return 0;
}

/* ---- Writing addresses ---- */

static size_t put_text(char *out, const char *text, size_t n)
{
    memcpy(out, text, n);
    return n;
}

static size_t put_octet(char *out, uint32_t value)
{
    size_t n = 0;

    if (value >= 100)
        out[n++] = (char)('0' + value / 100);
    if (value >= 10)
        out[n++] = (char)('0' + value / 10 % 10);
    out[n++] = (char)('0' + value % 10);
    return n;
}

/* By hand, for every request that is forwarded. */
static size_t put_inet4(char *out, const struct in_addr *addr)
{
    uint32_t bits = ntohl(addr->s_addr);
    size_t n = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        n += put_octet(out + n, (bits >> shift) & 0xff);
        if (shift > 0)
            out[n++] = '.';
    }
    return n;
}

static size_t put_host(char *out, const union sock_view *view)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (view->storage.ss_family == AF_INET)
        return put_inet4(out, &view->in.sin_addr);
    if (view->storage.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &view->in6.sin6_addr, text, sizeof(text));
    return put_text(out, text, strlen(text));
}

struct str sock_host_text(char *out, const struct sockaddr_storage *storage)
{
    union sock_view view = {.storage = *storage};
    if (storage->ss_family == AF_UNIX)
        return str_slice(out, put_text(out, "unix", 4));
    return str_slice(out, put_host(out, &view));
}

struct str sock_addr_text(char *out, const struct sockaddr_storage *storage)
{
    union sock_view view = {.storage = *storage};
    size_t n = 0;
    if (storage->ss_family == AF_UNIX) {
        n = put_text(out, "unix:", 5);
        n += put_text(out + n, view.un.sun_path, strnlen(view.un.sun_path, sizeof(view.un.sun_path)));
        return str_slice(out, n);
    }
    bool brackets = storage->ss_family == AF_INET6;
    if (brackets)
        out[n++] = '[';
    n += put_host(out + n, &view);
    if (brackets)
        out[n++] = ']';
    out[n++] = ':';
    n += str_put_u64(out + n, sock_addr_port(storage));
    return str_slice(out, n);
}

uint16_t sock_addr_port(const struct sockaddr_storage *storage)
{
    union sock_view view = {.storage = *storage};
    if (storage->ss_family == AF_INET)
        return ntohs(view.in.sin_port);
    return storage->ss_family == AF_INET6 ? ntohs(view.in6.sin6_port) : 0;
}

bool sock_addr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    union sock_view va = {.storage = *a};
    union sock_view vb = {.storage = *b};
    if (a->ss_family != b->ss_family || sock_addr_port(a) != sock_addr_port(b))
        return false;
    switch (a->ss_family) {
    case AF_INET: return va.in.sin_addr.s_addr == vb.in.sin_addr.s_addr;
    case AF_INET6:
        return memcmp(&va.in6.sin6_addr, &vb.in6.sin6_addr, sizeof(va.in6.sin6_addr)) == 0 &&
               va.in6.sin6_scope_id == vb.in6.sin6_scope_id;
    case AF_UNIX: return strncmp(va.un.sun_path, vb.un.sun_path, sizeof(va.un.sun_path)) == 0;
    default: return false;
    }
}

uint32_t sock_addr_hash(uint32_t hash, const struct sockaddr_storage *storage)
{
    union sock_view view = {.storage = *storage};
    uint16_t port = sock_addr_port(storage);

    hash = str_hash(hash, str_slice((const char *)&port, sizeof(port)));
    switch (storage->ss_family) {
    case AF_INET: return str_hash(hash, str_slice((const char *)&view.in.sin_addr, sizeof(view.in.sin_addr)));
    case AF_INET6: return str_hash(hash, str_slice((const char *)&view.in6.sin6_addr, sizeof(view.in6.sin6_addr)));
    case AF_UNIX:
        return str_hash(hash, str_slice(view.un.sun_path, strnlen(view.un.sun_path, sizeof(view.un.sun_path))));
    default: return hash;
    }
}

/* ---- Listening ---- */

/* A socket file that refuses connections was left behind by a process that is gone. */
static bool unix_is_stale(const struct sock_addr *addr)
{
    union sock_view view = {.storage = addr->storage};
    struct stat info;
    if (lstat(view.un.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)&addr->storage, addr->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* 0 or errno. */
static int bind_address(int fd, const struct sock_addr *addr)
{
    const struct sockaddr *to = (const struct sockaddr *)&addr->storage;
    if (bind(fd, to, addr->len) == 0)
        return 0;
    int failure = errno;
    if (failure != EADDRINUSE || addr->storage.ss_family != AF_UNIX || !unix_is_stale(addr))
        return failure;
    union sock_view view = {.storage = addr->storage};
    if (unlink(view.un.sun_path) != 0 && errno != ENOENT)
        return errno;
    return bind(fd, to, addr->len) == 0 ? 0 : errno;
}

static int set_switch(int fd, int level, int option, int on)
{
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0 ? 0 : errno;
}

static int set_option(int fd, int level, int option)
{
    return set_switch(fd, level, option, 1);
}

static int set_options(int fd, const struct sock_addr *addr, bool reuse_port)
{
    int family = addr->storage.ss_family;
    int failure = 0;
    if (family == AF_UNIX)
        return 0;
    failure = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (failure == 0 && reuse_port)
        failure = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (failure == 0 && family == AF_INET6)
        failure = set_switch(fd, IPPROTO_IPV6, IPV6_V6ONLY, !addr->dual_stack);
    if (failure == 0)
        failure = set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* inherited by what is accepted */
    return failure;
}

/* What binding says of a path means permission or a bad address, where a stream would mean something else. */
static int listen_code(int system_errno)
{
    switch (system_errno) {
    case EACCES:
    case EPERM:
    case EROFS: return -ERR_NO_PERMISSION;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG: return -ERR_BAD_ADDRESS;
    default: return err_from_errno(system_errno);
    }
}

/* A bound descriptor, or a code. */
static int open_bound(const struct sock_addr *addr, bool reuse_port)
{
    int family = addr->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_code(errno);
    int failure = set_options(fd, addr, reuse_port);
    if (failure == 0)
        failure = bind_address(fd, addr);
    if (failure == 0)
        return fd;
    close(fd);
    return listen_code(failure);
}

void sock_defer_accept(int fd)
{
    int seconds = 1; /* the least: until the first repetition of the system's answer */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
}

int sock_listen(const struct sock_addr *addr, int backlog, bool reuse_port)
{
    int fd = open_bound(addr, reuse_port);
    if (fd < 0 || listen(fd, backlog) == 0)
        return fd;
    int failure = errno;
    close(fd);
    return listen_code(failure);
}

int sock_check_free(const struct sock_addr *addr)
{
    ASSERT(addr->storage.ss_family != AF_UNIX);
    int fd = open_bound(addr, false);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}
