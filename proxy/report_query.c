#include "proxy/report_query.h"

#include <stdlib.h>

#include "policy/text.h"

sqlite3_stmt *report_query(struct ledger_read *read, int64_t since, const char *beginning,
                           const char *column, const char *end)
{
    struct text sql = {0};

    text_add_string(&sql, beginning);
    if (ledger_read_chosen(read))
        text_format(&sql, " AND %s IN (SELECT peer FROM temp.chosen)", column);
    text_format(&sql, " %s", end);
    sqlite3_stmt *query = ledger_read_prepare(read, sql.data);
    text_free(&sql);
    if (query != NULL)
        sqlite3_bind_int64(query, 1, since);
    return query;
}

char *report_column(sqlite3_stmt *query, int column)
{
    struct observation_text text = ledger_read_text(query, column);
    char *copy = text_copy_n(text.bytes, text.length);

    for (size_t i = 0; i < text.length; i++)
        if (copy[i] == '\0')
            copy[i] = '?';
    return copy;
}
