"""msgpipeline: a pipeline with a name, as a target.

    msgpipeline local_routing {
        destination example.org {
            deliver_to &local_mailboxes
        }
        default_destination {
            reject 550 5.1.1 "User doesn't exist"
        }
    }

It can be used wherever a target is expected, by other pipelines too. Pipelines may refer to each other in a circle, as long as no
message goes round in it: such a message is refused with 554 5.4.6.
"""

from posthouse.framework.config.settings import directive, rest_of_block, settings
from posthouse.framework.config.values import boolean, string
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.target import Delivery
from posthouse.message.address import domain_to_ascii, valid_domain
from posthouse.pipeline.pipeline import Pipeline
from posthouse.pipeline.rules import RULES, Rules


class MsgPipeline(Module):
    @settings
    class Settings:
        hostname: str = directive(
            string, inherit=True, help="the name of this server: in Authentication-Results"
        )
        debug: bool = directive(
            boolean, default=False, inherit=True, help="log why messages go where they go"
        )
        rules: Rules = rest_of_block(RULES, help="the rules by which messages are delivered")

    def __init__(self, settings: Settings, context: Context) -> None:
        if not valid_domain(settings.hostname):
            raise ValueError(f"hostname {settings.hostname} is not the name of a host")
        hostname = domain_to_ascii(settings.hostname)
        world = context.world
        self.pipeline = Pipeline(settings.rules, hostname, world, adds_received=False, log=context.log)

    async def start(self) -> None:
        await self.pipeline.start()

    @property
    def commit_order(self) -> int:
        return self.pipeline.commit_order

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return await self.pipeline.start_delivery(envelope, reverse_path)
