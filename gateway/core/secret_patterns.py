"""The secret formats that the detector ``{use: secrets}`` looks for, as data.

An expression matches the shortest text that is certainly of its format: its prefix and as much of the body as every
real one has. Whether a candidate stands, and how far it goes, is said by the check named ``validator`` (they live in
``gateway.guards.validators``); most checks let a match grow over the rest of its token, however long that is, so no
expression needs a long or open repeat and no secret keeps a readable tail. Formats are public knowledge of their
issuers; order is priority where two formats start at one place, so that the more specific one names the match.

What a stream must hold back follows from how the expressions begin, so none may begin with an arbitrary character:
formats that do are matched from their first fixed part on (Terraform, Azure), and keep their short public head.
Values without any fixed part (Heroku's and Fastly's older keys, Datadog …) are found only next to a name that says
what they are. A body of fewer than four different characters (``sk-xxxxxxxx``) is a placeholder and never matches; a
documented sample that looks like a real value (``AKIAIOSFODNN7EXAMPLE``) matches like one.
"""

from __future__ import annotations

from gateway.core.verdict import PatternSpec


def _secret(name: str, expression: str, validator: str, max_chars: int, label: str = "") -> PatternSpec:
    """One format; the label is the name unless said otherwise."""
    return PatternSpec(name=name, expression=expression, label=label or name, validator=validator, max_chars=max_chars)


def _block(name: str, kind: str) -> PatternSpec:
    """A PEM-like private key: from the opening line on, once sixteen characters of key material follow it."""
    return PatternSpec(
        name=name,
        expression=rf"-----BEGIN (?:[A-Z0-9]{{1,10}} ){{0,2}}{kind}-----"
        r"""[\s\\nr"'+>|#*,;-]{0,12}(?:[A-Za-z0-9+/]{16}|Proc-Type|DEK-Info|Version: |Comment: |Hash: )""",
        label="PRIVATE_KEY",
        max_chars=66 + len(kind),
        opens=True,
        closes=f"{kind}-----",
    )


_EQUALS = r"""["'` ]{0,2}[:=]{1,2}[ "'`]{0,3}"""
# Names of services whose keys have no prefix, then what people call a key, then the assignment.
_ASSIGNED = (
    r"(?i)(?:heroku|fastly|cloudflare|datadog|twilio|okta|pagerduty|algolia|mistral|cohere|azure_openai)"
    rf"[a-z0-9_. -]{{0,20}}(?:key|token|secret){_EQUALS}[a-z0-9_~-]{{32}}"
)

SECRETS: tuple[PatternSpec, ...] = (
    # Clouds
    _secret("AWS_KEY", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", "word", 20),
    _secret("AWS_SECRET", rf"(?i)aws_?secret_?(?:access_?)?key{_EQUALS}[a-z0-9/+]{{40}}", "last40", 68, "AWS_KEY"),
    _secret("AWS_SECRET_KEY", rf"(?i)secret_?access_?key{_EQUALS}[a-z0-9/+]{{40}}", "last40", 64, "AWS_KEY"),
    _secret("GOOGLE_API_KEY", r"AIza[A-Za-z0-9_-]{35}", "wide", 39),
    _secret("GOOGLE_OAUTH_SECRET", r"GOCSPX-[A-Za-z0-9_-]{28}", "wide", 35),
    _secret("GOOGLE_OAUTH_TOKEN", r"ya29\.[A-Za-z0-9_-]{30}", "dotted", 35),
    _secret("AZURE_STORAGE_KEY", r"AccountKey=[A-Za-z0-9+/]{86}==", "last88", 99),
    _secret("AZURE_SAS", r"[?&;]sig=[A-Za-z0-9%+/]{40}", "last40_url", 45),
    _secret("AZURE_CLIENT_SECRET", r"Q~[A-Za-z0-9_~.-]{31}", "tail_wide", 33),
    _secret("DIGITALOCEAN_TOKEN", r"do[opr]_v1_[a-f0-9]{64}", "word", 71),
    _secret("ALIBABA_KEY", r"LTAI[A-Za-z0-9]{20}", "mixed", 24),
    _secret("CLOUDFLARE_ORIGIN_KEY", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{60}", "word", 90, "CLOUDFLARE_TOKEN"),
    _secret("CLOUDFLARE_TOKEN", r"cf(?:ut|at|k)_[A-Za-z0-9]{40}", "word", 45),
    _secret("HEROKU_KEY", r"HRKU-[A-Za-z0-9_-]{36}", "wide", 41),
    _secret("FLY_TOKEN", r"f(?:o1|m[12])_[A-Za-z0-9_-]{40}", "wide", 44),
    _secret("NETLIFY_TOKEN", r"nfp_[A-Za-z0-9]{36}", "word", 40),
    # Code hosts, registries, builds
    _secret("GITHUB_TOKEN", r"gh[pousr]_[A-Za-z0-9]{36}", "word", 40),
    _secret("GITHUB_PAT", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}", "word", 74, "GITHUB_TOKEN"),
    _secret("GITLAB_TOKEN", r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|soat|agent|ffct)-[A-Za-z0-9_-]{20}", "dotted", 28),
    _secret("BITBUCKET_TOKEN", r"ATBB[A-Za-z0-9]{32}", "word", 36),
    _secret("NPM_TOKEN", r"npm_[A-Za-z0-9]{36}", "word", 40),
    _secret("PYPI_TOKEN", r"pypi-Ag[A-Za-z0-9_-]{40}", "wide", 47),
    _secret("RUBYGEMS_KEY", r"rubygems_[a-f0-9]{48}", "word", 57),
    _secret("DOCKER_TOKEN", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27}", "wide", 36),
    _secret("TERRAFORM_TOKEN", r"atlasv1\.[A-Za-z0-9_=-]{60}", "wide", 68),
    _secret("VAULT_TOKEN", r"hv[sbr]\.[A-Za-z0-9_-]{24}", "wide", 28),
    _secret("PULUMI_TOKEN", r"pul-[a-f0-9]{40}", "word", 44),
    _secret("DOPPLER_TOKEN", r"dp\.(?:ct|pt|st|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40}", "word", 85),
    _secret("BUILDKITE_TOKEN", r"bkua_[a-f0-9]{40}", "word", 45),
    _secret("SOURCEGRAPH_TOKEN", r"sgp_[a-f0-9_]{40}", "word", 44),
    # Model providers; the specific ones before the bare ``sk-``
    _secret("ANTHROPIC_KEY", r"sk-ant-[A-Za-z0-9_-]{24}", "wide", 31),
    _secret("OPENROUTER_KEY", r"sk-or-[A-Za-z0-9_-]{32}", "mixed_wide", 38),
    _secret("OPENAI_PROJECT_KEY", r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20}", "mixed_wide", 31, "OPENAI_KEY"),
    _secret("LANGFUSE_KEY", r"sk-lf-[a-f0-9-]{36}", "wide", 42),
    _secret("OPENAI_KEY", r"sk-[A-Za-z0-9]{20}", "mixed_wide", 23),
    _secret("CEREBRAS_KEY", r"csk-[a-z0-9]{40}", "mixed", 44),
    _secret("HUGGINGFACE_TOKEN", r"hf_[A-Za-z0-9]{30}", "word", 33),
    _secret("REPLICATE_TOKEN", r"r8_[A-Za-z0-9]{37}", "word", 40),
    _secret("GROQ_KEY", r"gsk_[A-Za-z0-9]{32}", "word", 36),
    _secret("XAI_KEY", r"xai-[A-Za-z0-9]{40}", "word", 44),
    _secret("PERPLEXITY_KEY", r"pplx-[A-Za-z0-9]{40}", "word", 45),
    _secret("NVIDIA_KEY", r"nvapi-[A-Za-z0-9_-]{60}", "wide", 66),
    _secret("TOGETHER_KEY", r"tgp_v1_[A-Za-z0-9_-]{40}", "wide", 47),
    _secret("FIREWORKS_KEY", r"fw_[A-Za-z0-9]{22}", "mixed", 25),
    _secret("ELEVENLABS_KEY", r"sk_[a-f0-9]{48}", "word", 51),
    _secret("LANGSMITH_KEY", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}", "word", 51),
    _secret("TAVILY_KEY", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{30}", "word", 40),
    _secret("WEIGHBRIDGE_KEY", r"wb-[A-Za-z0-9_-]{24}", "random_wide", 27),
    # Messages, mail, tickets
    _secret("SLACK_TOKEN", r"xox[abeoprs]-[A-Za-z0-9-]{20}", "mixed_wide", 25),
    _secret("SLACK_APP_TOKEN", r"xapp-[0-9]-[A-Za-z0-9-]{20}", "wide", 27, "SLACK_TOKEN"),
    _secret("SLACK_WEBHOOK", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{20}", "path", 46),
    _secret("DISCORD_TOKEN", r"[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}", "wide", 61),
    _secret("DISCORD_WEBHOOK", r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{40}", "wide", 89),
    _secret("TELEGRAM_TOKEN", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", "numbered", 46),
    _secret("TWILIO_KEY", r"SK[0-9a-f]{32}", "word", 34),
    _secret("SENDGRID_KEY", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "wide", 69),
    _secret("MAILGUN_KEY", r"key-[0-9a-f]{32}", "exact", 36),
    _secret("MAILCHIMP_KEY", r"[0-9a-f]{32}-us[0-9]{1,2}", "exact", 37),
    _secret("BREVO_KEY", r"xkeysib-[a-f0-9]{64}", "wide", 72),
    _secret("POSTMAN_KEY", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", "word", 64),
    _secret("LINEAR_KEY", r"lin_(?:api|oauth)_[A-Za-z0-9]{36}", "word", 46),
    _secret("NOTION_TOKEN", r"ntn_[A-Za-z0-9]{40}", "word", 44),
    _secret("NOTION_SECRET", r"secret_[A-Za-z0-9]{43}", "mixed", 50, "NOTION_TOKEN"),
    _secret("ATLASSIAN_TOKEN", r"AT[AC]TT3[A-Za-z0-9_=-]{40}", "base64", 46),
    _secret("AIRTABLE_TOKEN", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}", "word", 82),
    _secret("FIGMA_TOKEN", r"fig[dour]_[A-Za-z0-9_-]{36}", "wide", 41),
    # Money and shops
    _secret("STRIPE_KEY", r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16}", "word", 24),
    _secret("STRIPE_WEBHOOK_SECRET", r"whsec_[A-Za-z0-9+/]{24}", "base64", 30),
    _secret("SHOPIFY_TOKEN", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "word", 38),
    _secret("SQUARE_SECRET", r"sq0[a-z]{3}-[A-Za-z0-9_-]{22}", "wide", 29, "SQUARE_TOKEN"),
    _secret("SQUARE_TOKEN", r"EAAA[lE][A-Za-z0-9_-]{59}", "random_wide", 64),
    # Data and observation
    _secret("DATABRICKS_TOKEN", r"dapi[a-f0-9]{32}", "wide", 36),
    _secret("PLANETSCALE_TOKEN", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32}", "wide", 45),
    _secret("SUPABASE_TOKEN", r"sbp_[a-f0-9]{40}", "word", 44),
    _secret("SUPABASE_SECRET", r"sb_secret_[A-Za-z0-9_-]{31}", "wide", 41, "SUPABASE_TOKEN"),
    _secret("GRAFANA_TOKEN", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", "word", 46),
    _secret("GRAFANA_CLOUD_TOKEN", r"glc_[A-Za-z0-9+/]{32}", "base64", 36, "GRAFANA_TOKEN"),
    _secret("GRAFANA_API_KEY", r"eyJrIjoi[A-Za-z0-9]{40}", "base64", 48, "GRAFANA_TOKEN"),
    _secret("NEW_RELIC_KEY", r"NRAK-[A-Z0-9]{27}", "word", 32),
    _secret("SENTRY_TOKEN", r"sntry(?:s_eyJ|u_[a-f0-9]{3})[A-Za-z0-9+/=_-]{40}", "base64", 50),
    # Forms rather than issuers. A JWT's header begins with one of its members in base64url: alg, typ, kid, enc, cty,
    # jku, jwk, x5t, x5c, x5u, zip, b64, epk, nonce, crit.
    _secret(
        "JWT",
        r"eyJ(?:hbGci|0eXAi|raWQi|lbmMi|jdHki|qa3Ui|qd2si|4NXQi|4NXQj|4NWMi|4NXUi|6aXAi|iNjQi|lcGsi|ub25j|jcml0)"
        r"[A-Za-z0-9_-]{12}",
        "dotted",
        20,
    ),
    _block("PRIVATE_KEY", "PRIVATE KEY"),
    _block("PGP_PRIVATE_KEY", "PRIVATE KEY BLOCK"),
    _secret("AGE_KEY", r"AGE-SECRET-KEY-1[0-9A-Z]{40}", "word", 56),
    _secret("URL_PASSWORD", r"""://[^\s/:@"'`<>\\]{0,64}:[^\s/@"'`<>\\]{1,100}@""", "url_password", 169),
    _secret("ASSIGNED_KEY", _ASSIGNED, "last32", 77, "API_KEY"),
)
