#include "proxy/metrics_facts.h"

#include <string.h>
#include <sys/mman.h>

#define TRIES_MAX 1000 /* the master writes for microseconds, once a second */

struct metrics_facts *metrics_facts_new(int64_t started)
{
    struct metrics_facts *facts =
        mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (facts == MAP_FAILED)
        return NULL;
    facts->started = started;
    return facts;
}

void metrics_facts_free(struct metrics_facts *facts)
{
    if (facts != NULL)
        munmap(facts, sizeof(*facts));
}

void metrics_facts_set(struct metrics_facts *facts, const struct metrics_present *present)
{
    atomic_fetch_add(&facts->changing, 1);
    memcpy(&facts->present, present, sizeof(*present));
    atomic_fetch_add(&facts->changing, 1);
}

/* TEXT ends within SIZE bytes. */
static void end_text(char *text, size_t size)
{
    text[size - 1] = '\0';
}

void metrics_facts_get(const struct metrics_facts *facts, struct metrics_present *present)
{
    uint32_t before;

    for (int i = 0; i < TRIES_MAX; i++) {
        before = atomic_load(&facts->changing);
        memcpy(present, &facts->present, sizeof(*present));
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 && before == atomic_load(&facts->changing))
            break;
    }
    if (present->backend_count > METRICS_BACKENDS_MAX)
        present->backend_count = METRICS_BACKENDS_MAX;
    if (present->certificate_count > METRICS_CERTIFICATES_MAX)
        present->certificate_count = METRICS_CERTIFICATES_MAX;
    for (uint32_t i = 0; i < present->backend_count; i++) {
        end_text(present->backends[i].listener, sizeof(present->backends[i].listener));
        end_text(present->backends[i].name, sizeof(present->backends[i].name));
    }
    for (uint32_t i = 0; i < present->certificate_count; i++) {
        end_text(present->certificates[i].name, sizeof(present->certificates[i].name));
        end_text(present->certificates[i].key, sizeof(present->certificates[i].key));
    }
}

/* The same labels? */
static bool is_same(const struct metrics_certificate *a, const struct metrics_certificate *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->key, b->key) == 0;
}

void metrics_certificate_add(struct metrics_certificate *list, uint32_t *count,
                             const struct metrics_certificate *certificate)
{
    struct metrics_certificate *last = &list[0];

    for (uint32_t i = 0; i < *count; i++) {
        if (is_same(&list[i], certificate)) {
            if (certificate->not_after < list[i].not_after)
                list[i].not_after = certificate->not_after;
            return;
        }
        if (list[i].not_after > last->not_after)
            last = &list[i];
    }
    if (*count < METRICS_CERTIFICATES_MAX)
        list[(*count)++] = *certificate;
    else if (certificate->not_after < last->not_after)
        *last = *certificate;
}
