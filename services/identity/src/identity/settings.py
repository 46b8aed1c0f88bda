"""Every knob of identity."""

from pydantic import Field

from meshkit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment at start; what is missing or wrong fails there by name."""

    default_phone_region: str | None = Field(
        default=None,
        pattern="^[A-Z]{2}$",
        description=(
            "Region (ISO 3166, such as US) for numbers without a leading +; unset, such numbers are refused, because "
            "a guess would hand one customer's history to another."
        ),
    )
