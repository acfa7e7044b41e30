/* Idle sessions in the order in which they fell idle. Owned by whoever owns the sessions. */
#include "http/rest.h"

void rest_init(struct rest *rest, void (*rested)(struct session *session))
{
    *rest = (struct rest){.rested = rested};
    list_init(&rest->idle);
}

/* One that cannot rest now (its head has begun, its transport keeps something) is asked again when it has idled for as
 * long once more. */
static void rest_oldest(struct rest *rest, int64_t now_ms)
{
    struct list *link = list_pop(&rest->idle);
    struct session *session = CONTAINER_OF(link, struct session, link);

    if (session_rest(session)) {
        rest->count--;
        rest->rested(session);
        return;
    }
    session->idle_since_ms = now_ms;
    list_append(&rest->idle, link);
}

void rest_add(struct rest *rest, struct session *session)
{
    session->idle_since_ms = io_now_ms(session->conn.io);
    list_append(&rest->idle, &session->link);
    if (++rest->count > REST_WHOLE)
        rest_oldest(rest, session->idle_since_ms);
}

void rest_remove(struct rest *rest, struct session *session)
{
    if (!list_linked(&session->link))
        return;
    list_remove(&session->link);
    rest->count--;
}

void rest_run(struct rest *rest, int64_t now_ms)
{
    while (!list_empty(&rest->idle)) {
        const struct session *oldest = CONTAINER_OF(rest->idle.next, struct session, link);
        if (oldest->idle_since_ms > now_ms - REST_AFTER_MS)
            break;
        rest_oldest(rest, now_ms);
    }
}
