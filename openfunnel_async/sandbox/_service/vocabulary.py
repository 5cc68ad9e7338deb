"""The words from which the made-up companies are composed."""

from typing import NamedTuple


class Place(NamedTuple):
    """A headquarters: its country's alpha-3 code and three names."""

    code: str
    country: str
    region: str
    city: str


PLACES = tuple(
    Place(*line.split("|"))
    for line in """\
USA|United States|California|San Francisco
USA|United States|New York|New York
USA|United States|Texas|Austin
USA|United States|Massachusetts|Boston
USA|United States|Colorado|Boulder
CAN|Canada|Québec|Montréal
CAN|Canada|Ontario|Toronto
MEX|Mexico|Ciudad de México|Ciudad de México
BRA|Brazil|São Paulo|São Paulo
ARG|Argentina|Buenos Aires|Buenos Aires
COL|Colombia|Bogotá|Bogotá
GBR|United Kingdom|England|London
GBR|United Kingdom|Scotland|Edinburgh
IRL|Ireland|Leinster|Dublin
FRA|France|Île-de-France|Paris
DEU|Germany|Bayern|München
DEU|Germany|Berlin|Berlin
AUT|Austria|Wien|Wien
CHE|Switzerland|Zürich|Zürich
ESP|Spain|Cataluña|Barcelona
PRT|Portugal|Lisboa|Lisboa
ITA|Italy|Lombardia|Milano
NLD|Netherlands|Noord-Holland|Amsterdam
BEL|Belgium|Vlaams-Brabant|Leuven
SWE|Sweden|Skåne|Malmö
DNK|Denmark|Hovedstaden|København
FIN|Finland|Uusimaa|Helsinki
POL|Poland|Małopolskie|Kraków
CZE|Czechia|Praha|Praha
EST|Estonia|Harjumaa|Tallinn
ISR|Israel|Tel Aviv|Tel Aviv
ARE|United Arab Emirates|Dubai|Dubai
CIV|Côte d'Ivoire|Abidjan|Abidjan
KEN|Kenya|Nairobi|Nairobi
ZAF|South Africa|Western Cape|Cape Town
IND|India|Karnataka|Bengaluru
SGP|Singapore|Singapore|Singapore
JPN|Japan|東京都|東京
KOR|South Korea|서울특별시|서울
AUS|Australia|New South Wales|Sydney
NZL|New Zealand|Auckland|Auckland""".splitlines()
)

EU = frozenset({
    "AUT", "BEL", "BGR", "CYP", "CZE", "DEU", "DNK", "ESP", "EST", "FIN", "FRA", "GRC",
    "HRV", "HUN", "IRL", "ITA", "LTU", "LUX", "LVA", "MLT", "NLD", "POL", "PRT", "ROU",
    "SVK", "SVN", "SWE",
})  # fmt: skip
"""The 27 countries that ``EU`` matches."""

STEMS = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fathom", "Granite", "Harbor",
    "Indigo", "Juniper", "Kestrel", "Lumen", "Meridian", "Nimbus", "Onyx", "Prairie",
    "Quill", "Raven", "Sable", "Tidal", "Umbra", "Vesper", "Willow", "Zephyr",
)  # fmt: skip
"""First words that are valid in a host name."""

FIRST = (*STEMS, "Äther", "Élan", "Ørsted", "Śnieg", "Ñandú")
SECOND = (
    "Health", "Voice", "Robotics", "Analytics", "Logistics", "Therapeutics", "Capital",
    "Foods", "Energy", "Diagnostics", "Software", "Materials", "Mobility", "Security",
    "Learning", "Farms", "Optics", "Labs", "Clinics", "Networks",
)  # fmt: skip
SUFFIXES = (
    "", "", "", "", " Inc.", " GmbH", " S.A.", " & Co.", " (UK) Ltd", " 🚀",
    ' "The Original"', " of the Greater Metropolitan Region and Adjacent Counties",
)  # fmt: skip
WHOLE_NAMES = (
    "株式会社ひかり", "東方医疗科技", "한빛헬스케어", "서울음성연구소", "Комета",
    "مختبر النور", "Óg", "Qi",
)  # fmt: skip

GROUP_DOMAINS = tuple(f"{word.lower()}-holding.example" for word in STEMS[:8])
"""Hosts that several companies share."""

STAGES = (
    "Pre Seed", "Seed", "Series A", "Series B", "Series C", "Series D", "Series J",
    "No Funding Yet", "Private Equity", "Public", "Acquired", "Debt Financing",
)  # fmt: skip
"""Not the words of the request; see docs/reference/contract.md, "Rows"."""

INDUSTRIES = (
    "Hospitals and Health Care", "Software Development", "Medical Equipment",
    "Artificial Intelligence", "Telecommunications", "Wellness & Fitness", "Insurance",
    "IT Services and IT Consulting", "Research", "Financial Services", "Logistics",
    "Biotechnology", "E-Learning", "Staffing", "Consumer Goods", "Public Safety",
    "Renewable Energy", "Food Production", "Real Estate", "Media Production",
)  # fmt: skip

REASONS = (
    'Its product page says "we answer every call", which is what was asked for.',
    "The team ships tooling for the same buyers and hires for the same skills.",
    "Two of its published case studies describe this exact workflow.",
    "Its job posts name the technology and the department it is meant for.",
    'A founder\'s talk, "Listening at scale", sets the same problem.',
    "会社の採用ページは同じ技術を挙げている。",
    "공식 블로그는 같은 고객 문제를 다룬다.",
    "Le site décrit un déploiement comparable, à l'échelle d'une région.",
)

SENTENCES = (
    "We build quiet tools for people who have no time to learn loud ones.",
    "Founded by two nurses and an engineer, the company now serves four regions.",
    'Customers call it "the part of the day that simply works".',
    "Our platform listens, writes the note and leaves the decision to the expert.",
    "Deployments take an afternoon, and an exit takes an export.\n",
    "Teams on three continents keep it running, day and night. 🌍",
    "医療の現場で使われる音声入力を、誰にでも。",
    "현장의 목소리를 데이터로 바꿉니다.",
    "Conçu à Montréal, hébergé en Europe, compris partout.",
    "The roadmap is public; so are the incidents.\n\nAsk for a demo 🎧.",
)
