#include "proxy/backend.h"

bool backend_mark_failing(const struct backend *backend, enum backend_fault fault, uint64_t now)
{
    uint32_t before = atomic_exchange(&backend->mark->fault, (uint32_t)fault);

    if (before == BACKEND_FAULT_NONE)
        atomic_store(&backend->mark->since, now);
    return before == BACKEND_FAULT_NONE;
}

bool backend_mark_serving(const struct backend *backend)
{
    return atomic_load(&backend->mark->fault) != BACKEND_FAULT_NONE &&
           atomic_exchange(&backend->mark->fault, BACKEND_FAULT_NONE) != BACKEND_FAULT_NONE;
}

bool backend_is_failing(const struct backend *backend)
{
    return atomic_load(&backend->mark->fault) != BACKEND_FAULT_NONE;
}

uint32_t backend_bit(const struct backend_list *list, const struct backend *backend)
{
    return (uint32_t)1 << (backend - list->backends);
}

struct backend *backend_choose(const struct backend_list *list, uint32_t tried)
{
    struct backend *failing = NULL;

    for (size_t i = 0; i < list->count; i++) {
        struct backend *one = &list->backends[i];
        if ((tried & backend_bit(list, one)) != 0)
            continue;
        if (!backend_is_failing(one))
            return one;
        if (failing == NULL)
            failing = one;
    }
    return failing;
}

/* An answer of this one is worth waiting for. */
static bool backend_is_promising(const struct backend *backend)
{
    return !backend->capabilities.known && !(backend_is_failing(backend) && backend->unreachable);
}

const struct capabilities *backend_capabilities(const struct backend_list *list)
{
    const struct backend *chosen = backend_choose(list, 0);

    if (chosen->capabilities.known)
        return &chosen->capabilities;
    if (backend_is_promising(chosen))
        return NULL;
    for (size_t i = 0; i < list->count; i++)
        if (list->backends[i].capabilities.known)
            return &list->backends[i].capabilities;
    return NULL;
}

bool backend_is_hopeless(const struct backend_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->backends[i].capabilities.known || backend_is_promising(&list->backends[i]))
            return false;
    return true;
}

const char *backend_fault_text(enum backend_fault fault)
{
    static const char *const texts[BACKEND_FAULT_COUNT] = {
#define X(id, text) text,
        BACKEND_FAULTS(X)
#undef X
    };

    return fault < BACKEND_FAULT_COUNT ? texts[fault] : "fails";
}
