#include "core/answers.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/state.h"

static struct answer *answer(struct core *core, uint32_t client)
{
	struct answer *answer = out_alloc(&core->out, sizeof(*answer));

	answer->client = client;
	out_add(&core->out, ACTION_ANSWER)->answer = answer;
	return answer;
}

void answer_pod(struct core *core, const struct pod *pod, uint32_t client)
{
	struct answer *ok = answer(core, client);

	memcpy(ok->host_if, pod->host_if, sizeof(ok->host_if));
	ok->ip = pod->record.ip;
	ok->mtu = pod->record.mtu;
	ok->host_mac = pod_host_mac();
	ok->pod_mac = pod->pod_mac;
}

void answer_done(struct core *core, uint32_t client)
{
	if (client)
		(void)answer(core, client);
}

void answer_refuse(struct core *core, uint32_t client, enum answer_code code, const char *details,
		   const char *fmt, ...)
{
	struct answer *no;
	va_list args;

	if (!client)
		return;
	no = answer(core, client);
	no->code = code;
	va_start(args, fmt);
	(void)vsnprintf(no->text, sizeof(no->text), fmt, args);
	va_end(args);
	text_line(no->details, "%s", details);
	core->pods.refused++;
}
