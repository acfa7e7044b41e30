/* Serves the dashboard's files as they are in the program: gzipped, which every browser takes, with an ETag of their
 * bytes and a content policy that lets in nothing else. Called by control/admin. They hold nothing secret: what they
 * show, they ask for with the token. */
#include "control/admin_page.h"

#include "control/admin.h"

#define POLICY                                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri " \
    "'none'; "                                                                                                     \
    "form-action 'none'; frame-ancestors 'none'"

static const struct admin_file *find_file(const char *name)
{
    for (size_t i = 0; i < admin_file_count; i++)
        if (strcmp(admin_files[i].name, name) == 0)
            return &admin_files[i];
    return NULL;
}

static bool client_has(const struct admin_call *call, const char *etag)
{
    const struct msg *head = admin_call_head(call);

    for (uint32_t i = 0; i < head->count; i++)
        if (str_ieq(head->fields[i].name, STR("If-None-Match")))
            return str_eq(head->fields[i].value, str_of(etag));
    return false;
}

static void answer_file(struct admin_call *call, const char *name, struct str content_type)
{
    const struct admin_file *file = find_file(name);

    ASSERT(file);
    const struct field fields[] = {
        {.name = STR("ETag"), .value = str_of(file->etag)},
        {.name = STR("Cache-Control"), .value = STR("no-cache")},
        {.name = STR("Content-Security-Policy"), .value = STR(POLICY)},
        {.name = STR("X-Content-Type-Options"), .value = STR("nosniff")},
        {.name = STR("Referrer-Policy"), .value = STR("no-referrer")},
        {.name = STR("Content-Encoding"), .value = STR("gzip")},
    };
    bool known = client_has(call, file->etag);
    struct admin_answer answer = {
        .status = known ? 304 : 200,
        .content_type = content_type,
        .fields = fields,
        .count = ARRAY_SIZE(fields),
        .body = str_slice((const char *)file->bytes, known ? 0 : file->n),
        .body_lasts = true,
    };

    admin_call_answer(call, &answer);
}

void admin_do_page(struct admin *admin, struct admin_call *call)
{
    answer_file(call, "index.html", STR("text/html; charset=utf-8"));
}

void admin_do_script(struct admin *admin, struct admin_call *call)
{
    answer_file(call, "app.js", STR("text/javascript; charset=utf-8"));
}

void admin_do_style(struct admin *admin, struct admin_call *call)
{
    answer_file(call, "app.css", STR("text/css; charset=utf-8"));
}
