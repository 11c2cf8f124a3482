#include "core/answers.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
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
	ok->ip = pod->ip;
	ok->mtu = pod->mtu;
	ok->host_mac = pod_host_mac();
	ok->pod_mac = pod_mac_of(pod->ip);
}

void answer_ready(struct core *core, uint32_t client)
{
	struct answer why = { 0 };

	(void)pod_requests_ready(core, &why);
	why.client = client;
	*answer(core, client) = why;
}

void answer_done(struct core *core, uint32_t client)
{
	if (client)
		(void)answer(core, client);
}

__attribute__((format(printf, 4, 0))) static void
say(struct answer *ret, enum answer_code code, const char *details, const char *fmt, va_list args)
{
	*ret = (struct answer){ .code = code };
	(void)vsnprintf(ret->text, sizeof(ret->text), fmt, args);
	text_line(ret->details, "%s", details);
}

void answer_say(struct answer *ret, enum answer_code code, const char *details, const char *fmt,
		...)
{
	va_list args;

	va_start(args, fmt);
	say(ret, code, details, fmt, args);
	va_end(args);
}

void answer_refuse_as(struct core *core, uint32_t client, const struct answer *why)
{
	struct answer *no;

	if (!client)
		return;
	no = answer(core, client);
	*no = *why;
	no->client = client;
	core->pods.refused++;
}

void answer_refuse(struct core *core, uint32_t client, enum answer_code code, const char *details,
		   const char *fmt, ...)
{
	struct answer why;
	va_list args;

	va_start(args, fmt);
	say(&why, code, details, fmt, args);
	va_end(args);
	answer_refuse_as(core, client, &why);
}
