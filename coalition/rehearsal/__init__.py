from coalition.rehearsal.founding import Options
from coalition.rehearsal.rehearsing import rehearse

__all__ = ["Options", "rehearse"]
